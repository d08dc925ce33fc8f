"""`fluxrouter fill-secret`: what a Helm release keeps secret, made where nobody gave it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from fluxrouter_server.bootstrap.private_files import write_private
from fluxrouter_server.cluster import generated_secret
from fluxrouter_server.cluster.connection import connected_api

_COPIED: Final = ("ca.crt", "tls.crt", "tls.key")


@click.command("fill-secret")
@click.argument("name")
@click.option("--namespace", required=True, help="Of the Secret.")
@click.option("--dns", "names", multiple=True, help="Name for a certificate; may be repeated.")
@click.option("--store", default="", metavar="HOST:PORT", help="A Valkey that needs a password.")
@click.option(
    "--copy-to",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder for copies of ca.crt, tls.crt and tls.key.",
)
def fill_secret(
    *, name: str, namespace: str, names: Sequence[str], store: str, copy_to: Path | None
) -> None:
    """Make a certificate and a password in the Kubernetes Secret NAME, unless it has them."""
    try:
        held = asyncio.run(_fill(name, namespace, names, store))
    except generated_secret.SecretUnusable as error:
        raise click.ClickException(str(error)) from error
    if copy_to is not None:
        for key in _COPIED:
            write_private(copy_to / key, held[key].decode("ascii"))
    click.echo(f"Secret {namespace}/{name} holds {', '.join(sorted(held))}")


async def _fill(name: str, namespace: str, names: Sequence[str], store: str) -> Mapping[str, bytes]:
    async with connected_api() as api:
        return await generated_secret.fill_secret(
            api,
            namespace=namespace,
            name=name,
            dns_names=names,
            store=store,
            now=datetime.now(UTC),
        )
