"""The root of the command: options that all commands share, and the list of commands."""

from importlib import import_module
from pathlib import Path

import click

from fluxrouter_server.cli.session import Session

DEFAULT_SERVER = "127.0.0.1:50051"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
#: Each command and the module of this package that defines it under its name.
_COMMANDS = {
    "apply": "resources",
    "calibrate": "calibration",
    "check": "decisions",
    "credentials": "keys",
    "delete": "resources",
    "doctor": "doctor",
    "embed-model": "embedding",
    "evaluate": "calibration",
    "fill-secret": "fill_secret",
    "export-labels": "labels",
    "get": "resources",
    "keys": "keys",
    "ledger": "ledger",
    "release": "decisions",
    "route": "decisions",
    "selftest": "selftest",
    "serve": "serve",
    "settle": "decisions",
    "spend": "spending",
    "usage": "usage",
    "version": "version",
}


class _LazyGroup(click.Group):
    """Imports a command when it is used: a client must not wait for the whole server's modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the names, as `--help` shows them."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Returns a command; None where there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"fluxrouter_server.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FLUXROUTER"},
    epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the answer is no (denied,"
    " does not fit), 4 unavailable: try again.",
)
@click.option(
    "--server",
    default=DEFAULT_SERVER,
    show_default=True,
    envvar="FLUXROUTER_SERVER",
    help="host:port of the server.",
)
@click.option(
    "--credential",
    default="",
    envvar="FLUXROUTER_CREDENTIAL",
    help="API key or service credential; better given by the environment than on the command line.",
)
@click.option("--credential-file", type=_FILE, help="File with the credential, such as a token.")
@click.option("--tls-ca", type=_FILE, help="CA certificates in PEM; turns TLS on.")
@click.option("--tls-cert", type=_FILE, help="Client certificate in PEM, for mutual TLS.")
@click.option("--tls-key", type=_FILE, help="The client certificate's private key in PEM.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.01), default=10.0, show_default=True, help="Seconds."
)
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    server: str,
    credential: str,
    credential_file: Path | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    timeout: float,
) -> None:
    """Route LLM requests, meter them, and stop at the cap."""
    context.obj = Session(
        server=server,
        credential=credential_file.read_text("utf-8").strip() if credential_file else credential,
        ca_file=tls_ca,
        certificate_file=tls_cert,
        key_file=tls_key,
        timeout_seconds=timeout,
    )
