"""Plan, Account and Catalog files: the very YAML that kubectl takes, read strictly.

A file may hold several documents; a folder stands for its `*.yaml`, `*.yml` and `*.json` files in
order of name. Documents become messages by protobuf's own JSON mapping, so a field that is not in
the contract is an error that names it.
"""

import sys
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from fluxrouter.v1 import account_pb2, catalog_pb2, control_pb2, plan_pb2

API_VERSION = "fluxrouter.ai/v1alpha1"
_MESSAGES = {
    "Plan": plan_pb2.Plan,
    "Account": account_pb2.Account,
    "Catalog": catalog_pb2.Catalog,
}
_SUFFIXES = {".yaml", ".yml", ".json"}
#: What the server reads of `metadata`; a cluster writes more into it, which is not ours to judge.
_METADATA = {"name", "namespace", "labels", "annotations"}


class ResourceFileError(ValueError):
    """A file or document can't be read; the message names both and says what to mend."""


class _StrictLoader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: no duplicate keys, and instants stay strings."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuses a key that stands twice, where YAML would silently keep the last."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise ResourceFileError(f"line {line}: {key!r} stands twice: keep one of them")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


# A copy without instants, whose JSON mapping is a string; SafeLoader's own table stays as it is.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_resources(paths: Iterable[str]) -> list[control_pb2.Resource]:
    """Reads all documents of files, folders and `-` (standard input).

    Returns:
        The resources in the order read, defaults left to the server.

    Raises:
        ResourceFileError: a path, a document or a field is wrong.
    """
    resources: list[control_pb2.Resource] = []
    for path in paths:
        for name, text in _texts(path):
            resources.extend(_parse(name, text))
    if not resources:
        raise ResourceFileError(f"no resource in {', '.join(paths)}: give YAML files or a folder")
    return resources


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "standard input", sys.stdin.read()
        return
    root = Path(path)
    files = [root]
    if root.is_dir():
        files = sorted(file for file in root.iterdir() if file.suffix in _SUFFIXES)
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ResourceFileError(f"{file}: {error}") from error


def load_documents(text: str) -> list[Any]:
    """Reads the documents of a YAML text as they stand, without those that are empty.

    Raises:
        ResourceFileError: it is not valid YAML, or says something twice.
    """
    try:
        return [found for found in yaml.load_all(text, _StrictLoader) if found is not None]
    except yaml.YAMLError as error:
        raise ResourceFileError(f"not valid YAML: {error}") from error


def _parse(name: str, text: str) -> Iterator[control_pb2.Resource]:
    try:
        for number, document in enumerate(yaml.load_all(text, _StrictLoader), start=1):
            if document is not None:
                yield to_resource(document, where=f"{name}, document {number}")
    except yaml.YAMLError as error:
        raise ResourceFileError(f"{name}: not valid YAML: {error}") from error
    except ResourceFileError as error:
        raise ResourceFileError(str(error) if name in str(error) else f"{name}: {error}") from error


def to_resource(document: Any, *, where: str) -> control_pb2.Resource:  # noqa: ANN401 - raw YAML
    """Turns one parsed document into a resource.

    Raises:
        ResourceFileError: another apiVersion or kind, or a field that the contract does not have.
    """
    if not isinstance(document, dict):
        raise ResourceFileError(f"{where}: a resource is a mapping with apiVersion, kind and spec")
    kind = document.get("kind")
    if document.get("apiVersion") != API_VERSION or kind not in _MESSAGES:
        raise ResourceFileError(
            f"{where}: apiVersion {document.get('apiVersion')!r} and kind {kind!r} are not ours:"
            f" apiVersion must be {API_VERSION}, kind one of {', '.join(_MESSAGES)}"
        )
    wanted = {name: value for name, value in document.items() if name != "status"}
    if isinstance(wanted.get("metadata"), dict):
        metadata = wanted["metadata"]
        wanted["metadata"] = {name: metadata[name] for name in metadata if name in _METADATA}
    try:
        message = json_format.ParseDict(wanted, _MESSAGES[kind]())
    except json_format.ParseError as error:
        raise ResourceFileError(f"{where}: {_explained(str(error))}") from error
    return control_pb2.Resource(**{kind.lower(): message})


def _explained(message: str) -> str:
    """Adds the remedy to protobuf's words where they leave it open."""
    if "expected string" in message or "float" in message:
        return f'{message} (amounts and names are quoted strings, such as capUsd: "1.00")'
    return message
