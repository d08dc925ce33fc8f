"""`fluxrouter version`."""

from importlib.metadata import version as distribution_version

import click


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"fluxrouter {distribution_version('fluxrouter')}")
