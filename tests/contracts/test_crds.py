"""The CRDs come from the contracts, and nothing of either is forgotten."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

MAKE = Path(__file__).resolve().parents[2] / "make"


@pytest.fixture(autouse=True)
def _make_is_an_import_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(MAKE)


@pytest.fixture
def schema() -> ModuleType:
    return importlib.import_module("crd_schema")


def test_the_committed_crds_say_what_the_contracts_say() -> None:
    assert importlib.import_module("crds").stale() == []


def test_a_field_without_constraints_is_an_error(
    schema: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(schema.FIELDS, "PlanSpec.fee_usd")
    with pytest.raises(schema.SchemaError, match=r"PlanSpec\.fee_usd has no entry"):
        schema.object_schema(schema.load_messages(MAKE.parent / "protos"), "PlanSpec")


def test_a_constraint_without_its_field_is_an_error(
    schema: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(schema.FIELDS, "PlanSpec.colour", schema.ANYTHING)
    with pytest.raises(schema.SchemaError, match=r"have no PlanSpec\.colour"):
        schema.check_constraints(schema.load_messages(MAKE.parent / "protos"))
