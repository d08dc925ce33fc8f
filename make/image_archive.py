"""Writes container images as archives that every runtime loads, with no engine to help.

One file is both an OCI image layout (containerd, podman, skopeo) and what `docker load` has always
taken. The same folders give the same bytes: times are zero, owners are said, names are in order.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"
_OUR_PROGRAM = "make/image.py"
_COMPRESSION = 6  # 9 takes four times as long for one part in a hundred


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer on disk.

    Attributes:
        path: The gzipped tar.
        digest: `sha256:` of that file.
        content_digest: `sha256:` of the tar inside it.
        purpose: What is in it, for the image's history.
    """

    path: Path
    digest: str
    content_digest: str
    purpose: str


def write_layer(
    folder: Path, path: Path, *, purpose: str, owners: Mapping[str, int] | None = None
) -> Layer:
    """Packs a folder's content.

    Args:
        folder: What lies under `/` of the image.
        path: Where to write the layer.
        purpose: What is in it.
        owners: Numeric owner and group by path in the image (`var/lib/x`); root has the rest.

    Returns:
        The layer, which `read_layer` finds again beside `path`.
    """
    with tempfile.TemporaryFile(dir=path.parent) as plain:
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for entry in sorted(folder.rglob("*")):
                name = entry.relative_to(folder).as_posix()
                tar.add(entry, name, recursive=False, filter=_owned((owners or {}).get(name, 0)))
        plain.seek(0)
        content_digest = f"sha256:{hashlib.file_digest(plain, 'sha256').hexdigest()}"
        plain.seek(0)
        with (
            path.open("wb") as file,
            gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as zipped,
        ):
            shutil.copyfileobj(plain, zipped)
    layer = Layer(path, _digest_of(path), content_digest, purpose)
    _record(path).write_text(json.dumps([layer.digest, layer.content_digest, purpose]))
    return layer


def read_layer(path: Path) -> Layer:
    """Returns a layer that `write_layer` wrote; raises FileNotFoundError."""
    digest, content_digest, purpose = json.loads(_record(path).read_text())
    return Layer(path, digest, content_digest, purpose)


def write_archive(
    path: Path,
    *,
    names: Sequence[str],
    layers: Sequence[Layer],
    config: Mapping[str, Any],
    machine: str,
) -> str:
    """Writes an image.

    Args:
        path: The archive.
        names: Repositories and tags under which runtimes keep it.
        layers: From the lowest to the topmost.
        config: Entrypoint, environment, user and so on, as the OCI image specification names them.
        machine: The processor, in Go's words: `amd64`, `arm64`.

    Returns:
        The image's digest, `sha256:…`.
    """
    platform = {"architecture": machine, "os": "linux"}
    about = _json(
        {
            **platform,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.content_digest for layer in layers]},
            "history": [{"created_by": _OUR_PROGRAM, "comment": at.purpose} for at in layers],
        }
    )
    manifest = _json(_manifest(about, layers))
    index = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.index.v1+json",
        "manifests": [
            {
                **_described(f"{_OCI}.manifest.v1+json", manifest),
                "platform": platform,
                "annotations": {
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                },
            }
            for name in names
        ],
    }
    docker = {
        "Config": _blob(_digest(about)),
        "RepoTags": list(names),
        "Layers": [_blob(layer.digest) for layer in layers],
    }
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        _put(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _put(tar, "index.json", _json(index))
        _put(tar, "manifest.json", _json([docker]))
        for content in (manifest, about):
            _put(tar, _blob(_digest(content)), content)
        for layer in layers:
            tar.add(layer.path, _blob(layer.digest), filter=_owned(0))
    return _digest(manifest)


def _owned(owner: int) -> Callable[[tarfile.TarInfo], tarfile.TarInfo]:
    """Returns a filter for tarfile that makes constant what differs from build to build."""

    def of(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = owner
        entry.uname = entry.gname = ""
        entry.mtime = 0
        return entry

    return of


def _manifest(about: bytes, layers: Sequence[Layer]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _described(f"{_OCI}.config.v1+json", about),
        "layers": [
            {
                "mediaType": f"{_OCI}.layer.v1.tar+gzip",
                "digest": layer.digest,
                "size": layer.path.stat().st_size,
            }
            for layer in layers
        ],
    }


def _described(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _record(path: Path) -> Path:
    return path.with_suffix(".json")
