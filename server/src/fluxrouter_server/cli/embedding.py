"""`fluxrouter embed-model`: puts a tier model into a catalog's YAML, without a server."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import click
import yaml

from fluxrouter_server.cli.resource_files import ResourceFileError, load_documents
from fluxrouter_server.routing.model_file import ModelFileError, read_model
from fluxrouter_server.routing.tier_policies import MAX_DIAL_PERCENT, pack_model

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ROLES = ("active", "shadow")


@click.command("embed-model")
@click.argument("model", type=_FILE)
@click.option(
    "--into", type=_FILE, required=True, help="A YAML file with the catalog; it is not changed."
)
@click.option(
    "--as",
    "role",
    type=click.Choice(_ROLES),
    default="active",
    show_default=True,
    help="Whether it decides, or judges beside the model that does.",
)
@click.option(
    "--dial",
    type=click.IntRange(0, MAX_DIAL_PERCENT),
    help="0 is quality alone, 100 cost above all, 50 the balance that the training found. Default:"
    " as the catalog says.",
)
def embed_model(*, model: Path, into: Path, role: str, dial: int | None) -> None:
    """Print a catalog with the tier model in the file MODEL in it, for `apply -f -`.

    A shadow that becomes active keeps its dial, and is removed as shadow.
    """
    try:
        data = model.read_bytes()
        digest = read_model(data).sha256
        documents = load_documents(into.read_text(encoding="utf-8"))
        policy = {"modelSha256": digest, "modelFile": b64encode(pack_model(data)).decode("ascii")}
        _embed(_spec(documents), role, policy, dial)
    except (ModelFileError, ResourceFileError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{model} into {into}: {error}") from error
    click.echo(
        yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=2**20), nl=False
    )


def _spec(documents: list[Any]) -> dict[str, Any]:
    """Returns the spec of the one catalog among documents."""
    found = [one for one in documents if isinstance(one, dict) and one.get("kind") == "Catalog"]
    if len(found) != 1 or not isinstance(found[0].get("spec"), dict):
        raise ResourceFileError("want exactly one document of the kind Catalog with a spec")
    spec: dict[str, Any] = found[0]["spec"]
    return spec


def _embed(spec: dict[str, Any], role: str, policy: dict[str, Any], dial: int | None) -> None:
    routing = spec.setdefault("routing", {})
    if not isinstance(routing, dict):
        raise ResourceFileError("spec.routing is no mapping: correct or remove it")
    before = routing.get(role) or {}
    shadow = routing.get("shadow") or {}
    if role == "active" and shadow.get("modelSha256") == policy["modelSha256"]:
        before = routing.pop("shadow")  # what was tried is what decides now, dial included
    percent = before.get("costDialPercent") if dial is None else dial
    routing[role] = policy if percent is None else policy | {"costDialPercent": percent}
