"""The root of the command: options that all commands share, and the list of commands."""

from importlib.metadata import version as distribution_version
from pathlib import Path

import click

from fluxrouter_server.cli.decisions import check, release, route, settle
from fluxrouter_server.cli.doctor import doctor
from fluxrouter_server.cli.keys import credentials, keys
from fluxrouter_server.cli.resources import apply, delete, get
from fluxrouter_server.cli.serve import serve_command
from fluxrouter_server.cli.session import Session
from fluxrouter_server.cli.spending import spend

DEFAULT_SERVER = "127.0.0.1:50051"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(
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
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    timeout: float,
) -> None:
    """Route LLM requests, meter them, and stop at the cap."""
    context.obj = Session(
        server=server,
        credential=credential,
        ca_file=tls_ca,
        certificate_file=tls_cert,
        key_file=tls_key,
        timeout_seconds=timeout,
    )


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"fluxrouter {distribution_version('fluxrouter')}")


for _command in (
    apply,
    check,
    credentials,
    delete,
    doctor,
    get,
    keys,
    release,
    route,
    serve_command,
    settle,
    spend,
    version,
):
    main.add_command(_command)
