"""Reads messages off the wire, and says which field made one unreadable.

protobuf's parser answers yes or no. On a no (and only then) the bytes are walked by hand along the
message's descriptor until the field is found, because "error parsing message" helps nobody.
"""

from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.refusals import invalid_field

__all__ = ["largest_field", "read_message"]

M = TypeVar("M", bound=Message)

_VARINT, _FIXED64, _LENGTH_DELIMITED, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_DEPTH = 100  # protobuf's own bound
#: Named where no single field is to blame.
_WHOLE = "message"


class _Unreadable(Exception):
    """The bytes are no message; says where and why."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def read_message(kind: type[M], data: bytes) -> M | Denial:
    """Returns the message, or the refusal that names the field where reading failed."""
    try:
        return kind.FromString(data)
    except DecodeError:
        pass
    try:
        _walk(cast("Descriptor", kind.DESCRIPTOR), memoryview(data), path="", depth=0)
    except _Unreadable as unreadable:
        return invalid_field(unreadable.path or _WHOLE, unreadable.problem)
    return invalid_field(_WHOLE, f"is no {kind.DESCRIPTOR.full_name}")


def largest_field(kind: type[Message], data: bytes) -> str:
    """Returns the path of the top-level field that takes most bytes; empty if none can be told."""
    sizes: dict[str, int] = {}
    view = memoryview(data)
    position = 0
    try:
        while position < len(view):
            number, wire_type, start = _tag(view, position, "")
            end = _skip(view, start, wire_type, "")
            field = kind.DESCRIPTOR.fields_by_number.get(number)
            if field is not None:
                sizes[field.name] = sizes.get(field.name, 0) + end - position
            position = end
    except _Unreadable:
        pass
    return max(sizes, key=lambda name: sizes[name], default="")


def _walk(descriptor: Descriptor, view: memoryview, *, path: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _Unreadable(path, f"is nested more than {_MAX_DEPTH} deep")
    position = 0
    counts: dict[int, int] = {}
    while position < len(view):
        number, wire_type, start = _tag(view, position, path)
        field = descriptor.fields_by_number.get(number)
        here = path if field is None else _name(field, path, counts)
        end = _skip(view, start, wire_type, here)
        if field is not None and wire_type == _LENGTH_DELIMITED:
            _check_content(field, view[_varint(view, start, here)[1] : end], here, depth)
        position = end


def _check_content(field: FieldDescriptor, content: memoryview, path: str, depth: int) -> None:
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
        _walk(field.message_type, content, path=path, depth=depth + 1)
    elif field.type == FieldDescriptor.TYPE_STRING:
        try:
            str(content, "utf-8")
        except UnicodeDecodeError as error:
            raise _Unreadable(path, f"is not UTF-8 from byte {error.start} on") from None


def _name(field: FieldDescriptor, path: str, counts: dict[int, int]) -> str:
    name = f"{path}.{field.name}" if path else field.name
    if not field.is_repeated:
        return name
    index = counts.get(field.number, 0)
    counts[field.number] = index + 1
    return f"{name}[{index}]"


def _tag(view: memoryview, position: int, path: str) -> tuple[int, int, int]:
    key, end = _varint(view, position, path)
    number, wire_type = key >> 3, key & 7
    if number == 0:
        raise _Unreadable(path, f"has the impossible field number 0 at byte {position}")
    return number, wire_type, end


def _skip(view: memoryview, position: int, wire_type: int, path: str) -> int:
    """Returns where a value ends."""
    if wire_type == _VARINT:
        return _varint(view, position, path)[1]
    if wire_type in _FIXED_BYTES:
        end = position + _FIXED_BYTES[wire_type]
    elif wire_type == _LENGTH_DELIMITED:
        length, start = _varint(view, position, path)
        end = start + length
    else:
        raise _Unreadable(path, f"has a value of the wire type {wire_type}, which proto3 lacks")
    if end > len(view):
        raise _Unreadable(path, f"is cut off: {end - len(view)} bytes are missing")
    return end


def _varint(view: memoryview, position: int, path: str) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(view[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether more follows
            return value, position + index + 1
    raise _Unreadable(path, "holds a number that is cut off or longer than 10 bytes")
