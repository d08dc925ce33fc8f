"""Putting a model into a catalog by the command; what it prints is what `apply -f -` takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from fluxrouter.v1 import catalog_pb2
from fluxrouter_server.cli.main import main
from fluxrouter_server.cli.resource_files import to_resource
from fluxrouter_server.routing.model_file import write_model
from fluxrouter_server.routing.tier_policies import unpack_model
from fluxrouter_testing.tier_models import tier_model

CATALOG = Path(__file__).resolve().parents[3] / "examples" / "resources" / "catalog.yaml"
MODEL = tier_model()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model.json"
    file.write_bytes(write_model(MODEL))
    return file


def embedded(*words: object) -> Result:
    return CliRunner().invoke(main, ["embed-model", *map(str, words)])


def routing_of(result: Result) -> catalog_pb2.Routing:
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = yaml.safe_load(result.output)
    return to_resource(document, where="output").catalog.spec.routing


def test_the_catalog_is_printed_with_the_model_in_it(model: Path) -> None:
    routing = routing_of(embedded(model, "--into", CATALOG, "--dial", 30))
    assert routing.active.model_sha256 == MODEL.sha256
    assert unpack_model(routing.active.model_file) == model.read_bytes()
    assert routing.active.cost_dial_percent == 30
    assert not routing.HasField("shadow")


def test_a_shadow_is_embedded_beside_and_moves_when_it_becomes_active(
    model: Path, tmp_path: Path
) -> None:
    beside = embedded(model, "--into", CATALOG, "--as", "shadow", "--dial", 70)
    routing = routing_of(beside)
    assert not routing.active.model_sha256
    assert routing.shadow.model_sha256 == MODEL.sha256

    tried = tmp_path / "tried.yaml"
    tried.write_text(beside.output)
    routing = routing_of(embedded(model, "--into", tried))
    assert routing.active.model_sha256 == MODEL.sha256
    assert routing.active.cost_dial_percent == 70
    assert not routing.HasField("shadow")


def test_what_is_no_model_or_no_catalog_is_refused(model: Path, tmp_path: Path) -> None:
    plans = CATALOG.with_name("plans.yaml")
    assert "exactly one" in embedded(model, "--into", plans).output
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    assert "no tier model" in embedded(broken, "--into", CATALOG).output
