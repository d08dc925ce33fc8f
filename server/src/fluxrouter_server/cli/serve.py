"""`fluxrouter serve`: runs a server in the foreground."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import uvloop

from fluxrouter_server.bootstrap import serving
from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.settings import OPTIONS, Option, Settings, SettingsError, read_settings
from fluxrouter_server.telemetry.logs import set_up_logs
from fluxrouter_server.transport.choice import TransportUnavailable
from fluxrouter_server.transport.envoy_worker import WorkerFailed
from fluxrouter_server.transport.grpc_aio import ListenError
from fluxrouter_server.transport.tls import TlsError

#: What keeps a server from starting, and says what to do about it.
_EXPECTED = (
    SettingsError,
    TlsError,
    ListenError,
    StoreError,
    TransportUnavailable,
    WorkerFailed,
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives the command a flag for each setting; values and defaults are `settings`' to read."""
    for option in reversed(OPTIONS):
        command = _flag(option)(command)
    return command


def _flag(option: Option) -> Callable[[Callable[..., None]], Callable[..., None]]:
    default = f"; default: {option.default}" if option.default and option.metavar else ""
    takes_value: dict[str, Any] = (
        {"metavar": option.metavar} if option.metavar else {"flag_value": "true"}
    )
    return click.option(
        option.flag,
        option.name,
        default=None,
        help=f"{option.help}  [{option.variable}{default}]",
        allow_from_autoenv=False,  # settings read the environment themselves
        **takes_value,
    )


@click.command()
@_with_options
def serve(**given: Any) -> None:  # noqa: ANN401 - one for each setting
    """Run a server until Ctrl-C or SIGTERM, which finishes the calls that were admitted."""
    try:
        settings = read_settings(given, os.environ)
        set_up_logs(settings.log_format, settings.log_level)
        uvloop.run(
            serving.serve(settings, announce=lambda listening: _announce(settings, listening))
        )
    except _EXPECTED as error:
        raise click.ClickException(str(error)) from error


def _announce(settings: Settings, listening: serving.Listening) -> None:
    """Says where the server listens and, with the examples, how to try it."""
    if not listening.grpc:
        click.echo(f"FluxRouter keeps the ledger, metrics on {listening.metrics}/metrics")
        return
    click.echo(
        f"FluxRouter serves gRPC on {listening.grpc}, metrics on {listening.metrics}/metrics"
    )
    if isinstance(listening.edge, serving.EdgeUrls):
        click.echo(f"Base URL for OpenAI's clients: {listening.edge.openai}")
        click.echo(f"Base URL for Anthropic's clients: {listening.edge.anthropic}")
    elif listening.edge is not None:
        click.echo(listening.edge, err=True)
    if listening.problem is not None:
        click.echo(f"It is not ready: {listening.problem}", err=True)
    if listening.is_local:
        click.echo("No credential is configured: whoever is on this machine may do everything.")
    if settings.store is None:
        click.echo(f"Its data is in {settings.data_dir}")
    if listening.api_key is None:
        return
    command = sys.argv[0] if Path(sys.argv[0]).name == "fluxrouter" else "fluxrouter"
    server = f"{command} --server {listening.grpc}"
    click.echo(
        f"""
Try it from another terminal:
{_curl(listening)}
  {server} get plans
  {server} spend free-demo
  {server} --credential {listening.api_key} \\
      route free-demo --input-tokens 1000
  {server} spend free-demo --watch

Ctrl-C ends it."""
    )


def _curl(listening: serving.Listening) -> str:
    """Returns a request to the HTTP edge as people paste it, with lines around it."""
    if not isinstance(listening.edge, serving.EdgeUrls):
        return ""
    simulated = (
        "\n  (no provider is configured: an upstream simulator of FluxRouter's own answers)\n"
        if listening.edge.simulator
        else ""
    )
    return f"""
  curl {listening.edge.openai}/chat/completions -i \\
      -H 'authorization: Bearer {listening.api_key}' -H 'content-type: application/json' \\
      -d '{{"model": "flux-auto", "messages": [{{"role": "user", "content": "Hello"}}]}}'
{simulated}"""
