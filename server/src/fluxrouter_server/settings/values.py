"""Reads the values of settings from texts; each reader raises ValueError with the remedy."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar

from fluxrouter_server.store.locations import StoreLocation, parse_store_location

__all__ = [
    "Address",
    "Durability",
    "one_of",
    "read_address",
    "read_data_dir",
    "read_ledger",
    "read_optional_folder",
    "read_optional_path",
    "read_seconds",
    "read_store",
    "read_switch",
    "whole_number",
]

E = TypeVar("E", bound=StrEnum)

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})
_MAX_PORT: Final = 65_535
_UNIX: Final = "unix:"
_LEDGER_URLS: Final = ("sqlite:///", "postgresql://")
#: A drain of more than an hour is a mistake in units.
_MAX_DRAIN_SECONDS: Final = 3600


class Durability(StrEnum):
    """What an answer of an external store stands on."""

    PRIMARY = "primary"
    """What the primary has; what it keeps across a crash is its own configuration's affair."""
    REPLICATED = "replicated"
    """What the primary and all of its replicas have."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a host and a port, or the path of a unix socket.

    Attributes:
        host: Name or IP address; empty for a unix socket.
        port: 0 takes a free one.
        path: The unix socket's path; empty for TCP.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """The form in which grpc, and people, take it."""
        if self.path:
            return f"{_UNIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody outside of this machine can reach it."""
        if self.path:
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def read_address(text: str) -> Address:
    """Reads `host:port`, `[ipv6]:port` or `unix:/path`; raises ValueError."""
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not path.startswith("/"):
            raise ValueError(f"{text!r}: the path of a unix socket must begin with /")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > _MAX_PORT:
        raise ValueError(f"{text!r} is no address; write host:port, [ipv6]:port or unix:/path")
    return Address(host, int(port))


def read_optional_path(text: str) -> Path | None:
    """Reads a path, in which `~` is the user's home; None where the text is empty."""
    return Path(text).expanduser() if text else None


def read_optional_folder(text: str) -> Path | None:
    """Reads a path as `read_data_dir` does; None where the text is empty."""
    return read_data_dir(text) if text else None


def read_data_dir(text: str) -> Path:
    """Reads a path and makes it absolute, for processes that are started elsewhere."""
    return Path(text).expanduser().absolute()


def read_store(text: str) -> StoreLocation | None:
    """Reads a store's URL; None where the text is empty; raises ValueError."""
    return parse_store_location(text) if text else None


def read_ledger(text: str) -> str:
    """Reads a database's URL, empty where none is given; raises ValueError."""
    if text and not text.startswith(_LEDGER_URLS):
        raise ValueError(
            "must be sqlite:////path/to/ledger.sqlite3 or "
            "postgresql://user:password@host:5432/database"
        )
    return text


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Returns what reads a whole number between two bounds, both included."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"{text!r} must be a whole number from {low} to {high}")
        return int(text)

    return read


def read_seconds(text: str) -> float:
    """Reads the length of a phase of the drain; raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MAX_DRAIN_SECONDS:
        raise ValueError(f"{text!r} must be a number of seconds from 0 to {_MAX_DRAIN_SECONDS}")
    return seconds


def read_switch(text: str) -> bool:
    """Reads yes or no, in any of the words that people use; raises ValueError."""
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(f"{text!r} must be true or false")
    return text.lower() in _TRUE


def one_of(choices: type[E]) -> Callable[[str], E]:
    """Returns what reads a member of a closed set."""

    def read(text: str) -> E:
        try:
            return choices(text)
        except ValueError:
            raise ValueError(f"{text!r} must be one of {', '.join(choices)}") from None

    return read
