"""Messages as JSON with whole numbers, which is how a Kubernetes cluster stores resources.

protobuf's own mapping writes 64-bit integers as strings, because JavaScript would round them; the
schema of a cluster wants integers. Reading back, protobuf takes either.
"""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

_WIDE = {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64}


def to_json(message: Message) -> dict[str, Any]:
    """Return a message as a dictionary with camel-case names, without fields that are empty."""
    document: dict[str, Any] = MessageToDict(message)
    _narrow(message, document)
    return document


def _narrow(message: Message, document: dict[str, Any]) -> None:
    """Replace the strings of 64-bit integers by integers, in place."""
    for field, value in message.ListFields():
        name = field.json_name
        if field.type in _WIDE:
            document[name] = list(value) if field.is_repeated else value
        elif field.message_type is None or not isinstance(document[name], dict | list):
            continue  # a scalar, or a well-known type with a mapping of its own
        elif field.message_type.GetOptions().map_entry:
            continue  # ours are maps of strings
        elif field.is_repeated:
            for item, inner in zip(value, document[name], strict=True):
                if isinstance(inner, dict):
                    _narrow(item, inner)
        else:
            _narrow(value, document[name])
