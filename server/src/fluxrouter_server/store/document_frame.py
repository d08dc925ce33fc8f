"""The frame around every control document, and the pieces that several of them share.

A document is a msgpack array `[version, field, …]`, its fields in the order of the function that
writes it: an account must be small, and names of fields would double it. Equal documents have equal
bytes (sets and labels are sorted), so the store compares documents without reading them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgpack

from fluxrouter_server.services.ports.errors import StoreRefused

__all__ = ["pack", "set_or_none", "sorted_or_none", "sorted_pairs", "unpack"]

_VERSION: Final = 1
"""Of every document; raise it when a field is added, and keep reading the older one."""

T = TypeVar("T")


def pack(*fields: object) -> bytes:
    """Write a document of these fields."""
    packed: bytes = msgpack.packb([_VERSION, *fields])
    return packed


def unpack(kind: str, document: bytes, read: Callable[[list[Any]], T]) -> T:
    """Read a document.

    Args:
        kind: Names it in errors.
        document: What `pack` wrote.
        read: Makes the value of its fields.

    Raises:
        StoreRefused: The bytes are no document, or one of a version that this server does not know.
    """
    try:
        version, *fields = msgpack.unpackb(document)
        if version == _VERSION:
            return read(fields)
    except (ValueError, TypeError, LookupError, AttributeError, msgpack.UnpackException) as error:
        raise StoreRefused(
            f"the store's {kind} document cannot be read ({error}); it is damaged: apply it again"
        ) from error
    raise StoreRefused(
        f"the store's {kind} document has version {version!r} and this server reads {_VERSION}: "
        "run the newer server that wrote it, or apply the document again"
    )


def sorted_pairs(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels in one order, because their own carries no meaning."""
    return dict(sorted(labels.items()))


def sorted_or_none(names: Iterable[str] | None) -> list[str] | None:
    """A set's members in one order; None, which means all, stays None."""
    return None if names is None else sorted(names)


def set_or_none(names: list[str] | None, kind: Callable[[str], T]) -> frozenset[T] | None:
    """What `sorted_or_none` wrote, as the ids that they are."""
    return None if names is None else frozenset(map(kind, names))
