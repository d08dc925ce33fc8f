"""An archive is what runtimes load, and the same folder always gives the same one."""

import hashlib
import importlib
import json
import os
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OWNER = 65_532


@pytest.fixture
def archives() -> ModuleType:
    return importlib.import_module("image_archive")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A program, a link to it, and a folder that is somebody's."""
    folder = tmp_path / "tree"
    (folder / "usr" / "bin").mkdir(parents=True)
    (folder / "usr" / "bin" / "program").write_text("#!/bin/true\n")
    (folder / "usr" / "bin" / "program").chmod(0o755)
    (folder / "bin").symlink_to("usr/bin")
    (folder / "state").mkdir()
    return folder


def write(archives: ModuleType, tree: Path, path: Path) -> str:
    layer = archives.write_layer(
        tree, path.with_suffix(".layer"), purpose="a test", owners={"state": OWNER}
    )
    digest: str = archives.write_archive(
        path,
        names=["localhost/it:1", "localhost/it:2"],
        layers=[layer],
        config={"User": "1"},
        machine="amd64",
    )
    return digest


def read(path: Path, name: str) -> Any:  # noqa: ANN401 - parsed JSON
    with tarfile.open(path) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return json.load(file)


def blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def test_the_same_folder_gives_the_same_bytes(
    archives: ModuleType, tree: Path, tmp_path: Path
) -> None:
    write(archives, tree, tmp_path / "one.tar")
    os.utime(tree / "usr" / "bin" / "program", (1, 1))
    write(archives, tree, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_every_blob_has_the_digest_that_names_it(
    archives: ModuleType, tree: Path, tmp_path: Path
) -> None:
    path = tmp_path / "it.tar"
    write(archives, tree, path)
    with tarfile.open(path) as tar:
        for name in tar.getnames():
            if name.startswith("blobs/"):
                file = tar.extractfile(name)
                assert file is not None
                assert hashlib.file_digest(file, "sha256").hexdigest() == Path(name).name


def test_the_index_leads_to_the_configuration(
    archives: ModuleType, tree: Path, tmp_path: Path
) -> None:
    path = tmp_path / "it.tar"
    digest = write(archives, tree, path)
    described, again = read(path, "index.json")["manifests"]
    manifest = read(path, blob(described["digest"]))
    assert described["digest"] == digest
    assert again["digest"] == digest
    assert described["annotations"]["io.containerd.image.name"] == "localhost/it:1"
    assert again["annotations"]["io.containerd.image.name"] == "localhost/it:2"
    assert read(path, blob(manifest["config"]["digest"]))["config"] == {"User": "1"}


def test_docker_finds_the_same_layers_as_others(
    archives: ModuleType, tree: Path, tmp_path: Path
) -> None:
    path = tmp_path / "it.tar"
    digest = write(archives, tree, path)
    (docker,) = read(path, "manifest.json")
    layers = read(path, blob(digest))["layers"]
    assert docker["RepoTags"] == ["localhost/it:1", "localhost/it:2"]
    assert docker["Layers"] == [blob(layer["digest"]) for layer in layers]


def test_a_layer_keeps_links_modes_and_the_owners_it_is_told(
    archives: ModuleType, tree: Path, tmp_path: Path
) -> None:
    layer = archives.write_layer(
        tree, tmp_path / "layer.tar.gz", purpose="", owners={"state": OWNER}
    )
    with tarfile.open(layer.path) as tar:
        assert tar.getmember("bin").linkname == "usr/bin"
        assert tar.getmember("usr/bin/program").mode == 0o755
        assert (tar.getmember("state").uid, tar.getmember("usr").uid) == (OWNER, 0)


def test_a_layer_is_found_again(archives: ModuleType, tree: Path, tmp_path: Path) -> None:
    layer = archives.write_layer(tree, tmp_path / "layer.tar.gz", purpose="a test")
    assert archives.read_layer(layer.path) == layer
