"""Lets `python -m fluxrouter_server` be the `fluxrouter` command, where scripts are not on PATH."""

from fluxrouter_server.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
