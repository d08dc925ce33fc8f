"""Lets `fluxrouter-operator` and `python -m fluxrouter_operator` start the operator."""

import asyncio
import os
import sys

from fluxrouter_operator.bootstrap import run
from fluxrouter_operator.clients.channel import InsecureTarget
from fluxrouter_operator.logs import set_up_logs
from fluxrouter_operator.settings import read_settings


def main() -> None:
    """Runs the operator until a signal ends it.

    Raises:
        SystemExit: an option is wrong (2), or something failed for good (1).
    """
    settings = read_settings(sys.argv[1:], os.environ)
    set_up_logs(settings.log_level)
    try:
        asyncio.run(run(settings))
    except InsecureTarget as error:
        raise SystemExit(f"fluxrouter-operator: {error}") from error


if __name__ == "__main__":
    main()
