"""The operator's options: from the command line, each also from the environment."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fluxrouter_operator.clients.channel import ServerTarget
from fluxrouter_operator.reconcile.world import Pace

__all__ = ["Settings", "read_settings"]

_PREFIX: Final = "FLUXROUTER_OPERATOR_"
_LOG_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may differ between two operators.

    Attributes:
        target: how to reach the FluxRouter server.
        pace: how often to look and to write.
        grace_seconds: silence of the server that is not worth a word.
        namespaces: namespaces whose accounts are looked after; none means all of the cluster.
        liveness_address: `host:port` of the liveness endpoint; empty for none.
        log_level: least level that is logged.
        ready_file: written once the watch streams run; None writes none.
    """

    target: ServerTarget
    pace: Pace
    grace_seconds: float
    namespaces: tuple[str, ...]
    liveness_address: str
    log_level: str
    ready_file: Path | None


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Reads the options; what is given on the command line wins.

    Raises:
        SystemExit: an option is wrong; argparse has said which.
    """
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    if bool(given.tls_cert) != bool(given.tls_key):
        parser.error("--tls-cert and --tls-key go together: give both or neither")
    if not given.server:
        parser.error(f"--server (or {_PREFIX}SERVER) is required: host:port of the server")
    return Settings(
        target=ServerTarget(
            address=given.server,
            token_file=given.token_file,
            ca_file=given.tls_ca,
            certificate_file=given.tls_cert,
            key_file=given.tls_key,
        ),
        pace=Pace(
            spend_seconds=given.spend_seconds,
            resync_seconds=given.resync_seconds,
            secret_seconds=given.secret_seconds,
            status_writes_per_second=given.status_writes_per_second,
            settle_seconds=given.settle_seconds,
            refused_seconds=given.refused_seconds,
        ),
        grace_seconds=given.grace_seconds,
        namespaces=tuple(given.namespace or _names(environment.get(f"{_PREFIX}NAMESPACES", ""))),
        liveness_address=given.liveness,
        log_level=given.log_level,
        ready_file=given.ready_file,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fluxrouter-operator",
        description="Turns Plan, Account and Catalog resources of a Kubernetes cluster into limits"
        " that a FluxRouter server enforces. Runs as one replica.",
        epilog=f"Every option can also be given as {_PREFIX}<OPTION> in the environment.",
    )
    pace = Pace()

    def option(
        name: str,
        kind: Callable[[str], object] = str,
        *,
        default: object = None,
        help_text: str,
        **more: object,
    ) -> None:
        given = environment.get(_PREFIX + name.removeprefix("--").upper().replace("-", "_"))
        parser.add_argument(
            name,
            type=kind,
            default=given if given is not None else default,
            help=help_text,
            **more,  # type: ignore[arg-type]  # argparse's own
        )

    option("--server", default="", help_text="host:port of the server (required)")
    option("--token-file", Path, help_text="file with the bearer token; default: send none")
    option("--tls-ca", Path, help_text="certificate authority in PEM; default: plain text")
    option("--tls-cert", Path, help_text="client certificate in PEM, for mutual TLS")
    option("--tls-key", Path, help_text="its private key")
    parser.add_argument(
        "--namespace",
        action="append",
        help="look after the accounts of this namespace only; may be repeated; default: all",
    )
    option("--spend-seconds", _positive, default=pace.spend_seconds, help_text=_HELP["spend"])
    option("--resync-seconds", _positive, default=pace.resync_seconds, help_text=_HELP["resync"])
    option("--secret-seconds", _positive, default=pace.secret_seconds, help_text=_HELP["secret"])
    option(
        "--status-writes-per-second",
        _positive,
        default=pace.status_writes_per_second,
        help_text="status writes, at most (default: %(default)s)",
    )
    option("--settle-seconds", _positive, default=pace.settle_seconds, help_text=_HELP["settle"])
    option("--refused-seconds", _positive, default=pace.refused_seconds, help_text=_HELP["refused"])
    option("--grace-seconds", _positive, default=10.0, help_text=_HELP["grace"])
    option("--liveness", default="", help_text="host:port of the liveness endpoint, path /healthz")
    option("--log-level", default="info", help_text="%(choices)s", choices=_LOG_LEVELS)
    option("--ready-file", Path, help_text="file to write once the operator watches the cluster")
    return parser


_HELP: Final = {
    "spend": "between two readings of all spending (default: %(default)s)",
    "resync": "between two rounds that send everything again (default: %(default)s)",
    "secret": "between two looks at an account's Secrets, at least (default: %(default)s)",
    "settle": "how long trouble must last to be worth an event (default: %(default)s)",
    "refused": "until what was refused is tried again by itself (default: %(default)s)",
    "grace": "silence of the server until every status says so (default: %(default)s)",
}


def _positive(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text}: give a number above 0")
    return number


def _names(text: str) -> Sequence[str]:
    return [name for name in text.replace(",", " ").split() if name]
