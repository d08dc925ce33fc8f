"""`fluxrouter doctor`: what is wrong with a set-up, and how to mend it."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException

import click
import grpc
from grpc_health.v1 import health_pb2

from fluxrouter_server.bootstrap.doctor import change_spans as write_spans
from fluxrouter_server.bootstrap.doctor import examine_store, reinitialise_store
from fluxrouter_server.cli.exits import Exit
from fluxrouter_server.cli.output import output_option, print_table
from fluxrouter_server.cli.session import Session
from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.settings import Settings, SettingsError, read_settings
from fluxrouter_server.store.diagnosis import Finding
from fluxrouter_server.telemetry.logs import LogFormat, LogLevel, set_up_logs
from fluxrouter_server.transport.choice import TransportUnavailable, choose_transport

_HEALTH_SECONDS = 2.0
_USE_GRPC = "leave --transport out, or set it to auto or grpc"


@click.command()
@click.option("--metrics-listen", help="Where the server's /readyz is, as for serve.")
@click.option("--store", help="URL of an external store; default: the embedded one.")
@click.option("--data-dir", help="Directory of the embedded store, as for serve.")
@click.option("--simulated-clock", help="Clock file of a store made with a simulated clock.")
@click.option(
    "--reinitialize",
    is_flag=True,
    help="Begin anew on a store that lost its data: every counter starts at zero.",
)
@click.option(
    "--change-spans",
    is_flag=True,
    help="Have the store's servers use the three spans below; stop them first.",
)
@click.option("--replay-window-seconds", help="As for serve.")
@click.option("--max-hold-life-seconds", help="As for serve.")
@click.option("--late-window-seconds", help="As for serve.")
@click.option("--yes", is_flag=True, help="Do not ask before --reinitialize.")
@output_option()
@click.pass_obj
def doctor(  # noqa: PLR0913 - one for each option
    session: Session,
    /,
    *,
    metrics_listen: str | None,
    store: str | None,
    data_dir: str | None,
    simulated_clock: str | None,
    reinitialize: bool,
    change_spans: bool,
    yes: bool,
    output: str,
    **spans: str | None,
) -> None:
    """Check the store and the server, and say how to mend what is wrong. Exits 1 if anything is."""
    given = {
        "metrics_listen": metrics_listen,
        "store": store,
        "data_dir": data_dir,
        "simulated_clock": simulated_clock,
        **spans,
    }
    try:
        settings = read_settings(given, os.environ)
        set_up_logs(LogFormat.AUTO, LogLevel.ERROR)  # findings say it in order
        if change_spans:
            shards = asyncio.run(write_spans(settings))
            click.echo(f"{shards} shards have the new spans. Start the servers with the same.")
            return
        if reinitialize:
            _reinitialise(settings, is_sure=yes)
            return
        findings = [
            *asyncio.run(examine_store(settings)),
            _transport(settings),
            _server(session, settings),
        ]
    except (SettingsError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    _print(findings, output)
    if not all(finding.ok for finding in findings):
        raise SystemExit(Exit.FAILED)


def _reinitialise(settings: Settings, *, is_sure: bool) -> None:
    if not is_sure:
        click.confirm(
            "All counters, accounts, plans and keys in the store are given up. Go on?", abort=True
        )
    epoch = asyncio.run(reinitialise_store(settings))
    click.echo(f"The store begins anew, epoch {epoch}. Apply your plans and accounts again.")


def _transport(settings: Settings) -> Finding:
    """Says how calls would arrive, and why not from within Envoy where they would not."""
    try:
        chosen = choose_transport(settings.transport, on_unix_socket=bool(settings.listen.path))
    except TransportUnavailable as error:
        return Finding("transport", ok=False, problem=str(error), remedy=_USE_GRPC)
    return Finding("transport", ok=True, problem=f"{chosen.kind}: {chosen.why}")


def _server(session: Session, settings: Settings) -> Finding:
    """Asks the server for its health; that none runs is worth knowing, and no problem."""
    check = session.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        answer = check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
    except grpc.RpcError:
        return Finding("server", ok=True, problem=f"none runs at {session.server}")
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return Finding("server", ok=True, problem=f"serving at {session.server}")
    return Finding(
        "server",
        ok=False,
        problem=f"{session.server} is up, but not serving{_reason(settings)}",
        remedy="mend the store first; a rebuild from the ledger ends by itself. See the server's "
        "log and /readyz",
    )


def _reason(settings: Settings) -> str:
    """Asks a server of this machine why it does not serve, and how far a rebuild is."""
    connection = HTTPConnection(str(settings.metrics_listen), timeout=_HEALTH_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse().read().decode(errors="replace").strip()
    except (OSError, HTTPException):
        return ""
    finally:
        connection.close()
    return f": {answer}"


def _print(findings: Sequence[Finding], output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=2))
        return
    print_table(
        ("CHECK", "STATE", "WHAT"),
        [
            (finding.name, "ok" if finding.ok else "PROBLEM", finding.problem)
            for finding in findings
        ],
    )
    for finding in findings:
        if not finding.ok and finding.remedy:
            click.echo(f"\n{finding.name}: {finding.remedy}")
