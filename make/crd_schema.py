"""Turns messages of the contracts into the structural schemas that a CRD needs.

Types, names and their order come from the messages, descriptions from their comments, checks from
`crd_constraints` and `crd_rules`. A field without an entry there, or an entry without a field, is
an error: nothing is left unchecked by oversight.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc_tools
from crd_constraints import ANYTHING, FIELDS, Constraint, Rule
from crd_rules import MESSAGE_RULES
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

_PACKAGE = ".fluxrouter.v1."
_TIMESTAMP = ".google.protobuf.Timestamp"
# Numbers of FileDescriptorProto.message_type and DescriptorProto.field in paths of comments.
_MESSAGE, _FIELD = 4, 2
_REPEATED = FieldDescriptorProto.LABEL_REPEATED
_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptorProto.TYPE_STRING: {"type": "string"},
    FieldDescriptorProto.TYPE_BYTES: {"type": "string", "format": "byte"},
    FieldDescriptorProto.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptorProto.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptorProto.TYPE_INT64: {"type": "integer", "format": "int64"},
}
# Status is written by the operator alone, so its fields need types, not checks.
_STATUS = ("PlanStatus", "AccountStatus", "CatalogStatus", "Condition", "SpendStatus")
_UNCHECKED = frozenset({*_STATUS, "LevelStatus", "KeyStatus"})
_STATUS_LISTS: dict[str, dict[str, Any]] = {
    "conditions": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    "levels": {"x-kubernetes-list-type": "atomic"},
    "api_keys": {"x-kubernetes-list-type": "atomic"},
}
_STATUS_KEYS = {"Condition": ["type", "status"]}


class SchemaError(RuntimeError):
    """Contracts and constraints disagree; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message with the comments of itself and its fields."""

    descriptor: DescriptorProto
    description: str
    fields: dict[str, str]


def load_messages(protos: Path) -> dict[str, Message]:
    """Compiles the contracts and returns their messages by name.

    Raises:
        SchemaError: they don't compile.
    """
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "contracts"
        arguments = [
            "protoc",
            f"--proto_path={protos}",
            f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
            "--include_source_info",
            f"--descriptor_set_out={compiled}",
            *(str(proto) for proto in sorted(protos.rglob("*.proto"))),
        ]
        if protoc.main(arguments) != 0:
            raise SchemaError("protoc refused the contracts: mend the files it names above")
        files = FileDescriptorSet.FromString(compiled.read_bytes()).file
    return {
        message.name: _with_comments(file, index, message)
        for file in files
        for index, message in enumerate(file.message_type)
    }


def object_schema(messages: dict[str, Message], name: str) -> dict[str, Any]:
    """Returns the schema of a message, with all that is inside.

    Raises:
        SchemaError: a field has no entry in the table of constraints.
    """
    message = messages[name]
    properties: dict[str, Any] = {}
    required: list[str] = list(_STATUS_KEYS.get(name, ()))
    for field in message.descriptor.field:
        constraint = _constraint(name, field.name)
        if constraint.required:
            required.append(field.json_name)
        properties[field.json_name] = {
            "description": message.fields[field.name],
            **_field_schema(messages, field, constraint),
        }
    return {
        "type": "object",
        **({"required": required} if required else {}),
        "properties": properties,
        **rules_schema(MESSAGE_RULES.get(name, ())),
    }


def rules_schema(rules: tuple[Rule, ...]) -> dict[str, Any]:
    """Returns CEL rules as a schema has them; nothing for none."""
    if not rules:
        return {}
    return {
        "x-kubernetes-validations": [
            {
                "rule": rule.cel,
                "message": rule.message,
                **({"fieldPath": rule.path} if rule.path else {}),
            }
            for rule in rules
        ]
    }


def check_constraints(messages: dict[str, Message]) -> None:
    """Checks that every entry of the tables belongs to something.

    Raises:
        SchemaError: an entry names a message or field that the contracts don't have.
    """
    known = {
        f"{name}.{field.name}"
        for name, message in messages.items()
        for field in message.descriptor.field
    }
    if strange := sorted((set(FIELDS) - known) | (set(MESSAGE_RULES) - set(messages))):
        raise SchemaError(f"the contracts have no {', '.join(strange)}: mend make/crd_*.py")


def _constraint(message: str, field: str) -> Constraint:
    if message in _UNCHECKED:
        return Constraint(schema=_STATUS_LISTS.get(field, {}))
    constraint = FIELDS.get(f"{message}.{field}")
    if constraint is None:
        raise SchemaError(f"{message}.{field} has no entry in make/crd_constraints.py: add one")
    return constraint


def _field_schema(
    messages: dict[str, Message], field: FieldDescriptorProto, constraint: Constraint
) -> dict[str, Any]:
    checks = {**constraint.schema, **rules_schema(constraint.rules)}
    nested = messages.get(field.type_name.removeprefix(_PACKAGE))
    if field.label != _REPEATED:
        return _merged(_single_schema(messages, field), checks)
    item = constraint.item or ANYTHING
    item_checks = {**item.schema, **rules_schema(item.rules)}
    if nested is None and field.type_name:  # maps are the only nested messages of the contracts
        value = _merged({"type": "string"}, item_checks)
        return {"type": "object", "additionalProperties": value, **checks}
    return {
        "type": "array",
        "items": _merged(_single_schema(messages, field), item_checks),
        **checks,
    }


def _single_schema(messages: dict[str, Message], field: FieldDescriptorProto) -> dict[str, Any]:
    if field.type_name == _TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    if field.type_name:
        return object_schema(messages, field.type_name.removeprefix(_PACKAGE))
    return _SCALARS[field.type]


def _merged(schema: dict[str, Any], checks: dict[str, Any]) -> dict[str, Any]:
    """Adds checks; rules of the field stand beside those of its message."""
    rules = "x-kubernetes-validations"
    both = [*schema.get(rules, ()), *checks.get(rules, ())]
    return {**schema, **checks, **({rules: both} if both else {})}


def _with_comments(file: FileDescriptorProto, index: int, message: DescriptorProto) -> Message:
    comments = {
        tuple(location.path): location.leading_comments
        for location in file.source_code_info.location
    }
    return Message(
        message,
        _prose(comments.get((_MESSAGE, index), "")),
        {
            field.name: _prose(comments.get((_MESSAGE, index, _FIELD, number), ""))
            for number, field in enumerate(message.field)
        },
    )


def _prose(comment: str) -> str:
    """Joins lines to paragraphs, and names fields as YAML does: `capUsd`, not `cap_usd`."""
    paragraphs = ("".join(part.split("\n")).strip() for part in comment.split("\n\n"))
    return re.sub(
        r"`([a-z]+(?:_[a-z0-9]+)+)`",
        lambda found: f"`{_camel(found[1])}`",
        "\n\n".join(paragraphs),
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
