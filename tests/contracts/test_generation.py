import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = """
syntax = "proto3";
package fluxrouter.v1;
message ColourRequest { string shade = 1; }
"""
SERVICE = """
message ColourResponse {}
service ColourService { rpc Mix(ColourRequest) returns (ColourResponse); }
"""


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build hook, at work on a tree of its own with one contract."""
    specification = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PROTOS", tmp_path / "protos")
    monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    monkeypatch.setattr(module, "GENERATED", tmp_path / "build" / "generated")
    monkeypatch.setattr(module, "RECORD", tmp_path / "build" / "generated.txt")
    write(tmp_path, "colour", CONTRACT)
    return module


def test_a_contract_becomes_a_typed_module(hook: ModuleType, tmp_path: Path) -> None:
    assert hook.generate()
    assert generated(tmp_path) >= {"__init__.py", "py.typed", "colour_pb2.py", "colour_pb2.pyi"}


def test_only_a_contract_with_a_service_becomes_a_grpc_module(
    hook: ModuleType, tmp_path: Path
) -> None:
    hook.generate()
    assert "colour_pb2_grpc.py" not in generated(tmp_path)
    write(tmp_path, "colour", CONTRACT + SERVICE)
    hook.generate()
    assert generated(tmp_path) >= {"colour_pb2_grpc.py", "colour_pb2_grpc.pyi"}


def test_an_unchanged_contract_is_not_generated_again(hook: ModuleType) -> None:
    hook.generate()
    assert not hook.generate()


def test_an_unchanged_file_keeps_its_time_stamp(hook: ModuleType, tmp_path: Path) -> None:
    hook.generate()
    module = tmp_path / "build/generated/fluxrouter/v1/colour_pb2.py"
    before = module.stat().st_mtime_ns
    write(tmp_path, "sound", CONTRACT.replace("Colour", "Sound"))
    assert hook.generate()
    assert module.stat().st_mtime_ns == before


def test_the_code_of_a_removed_contract_is_removed(hook: ModuleType, tmp_path: Path) -> None:
    write(tmp_path, "sound", CONTRACT.replace("Colour", "Sound"))
    hook.generate()
    (tmp_path / "protos/fluxrouter/v1/sound.proto").unlink()
    hook.generate()
    assert not any(name.startswith("sound") for name in generated(tmp_path))


def test_a_deleted_output_is_generated_again(hook: ModuleType, tmp_path: Path) -> None:
    hook.generate()
    (tmp_path / "build/generated/fluxrouter/v1/colour_pb2.py").unlink()
    assert hook.generate()
    assert "colour_pb2.py" in generated(tmp_path)


def test_a_broken_contract_leaves_the_last_good_code(hook: ModuleType, tmp_path: Path) -> None:
    hook.generate()
    write(tmp_path, "colour", CONTRACT.replace("string", "sting"))
    with pytest.raises(hook.GenerationError, match="protoc refused"):
        hook.generate()
    assert "colour_pb2.py" in generated(tmp_path)


def test_a_tree_without_contracts_says_how_to_get_them_back(
    hook: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "protos/fluxrouter/v1/colour.proto").unlink()
    with pytest.raises(hook.GenerationError, match="restore the folder"):
        hook.generate()


def write(tree: Path, name: str, text: str) -> None:
    folder = tree / "protos" / "fluxrouter" / "v1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.proto").write_text(text)


def generated(tree: Path) -> set[str]:
    return {path.name for path in (tree / "build" / "generated").rglob("*") if path.is_file()}
