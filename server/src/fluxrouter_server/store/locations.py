"""What a store's URL says of its shape: one server, a primary that Sentinels know, or a Cluster."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, unquote

from fluxrouter_server.store.addresses import (
    StoreAddress,
    StoreUrlInvalid,
    parse_store_url,
)

__all__ = ["SENTINEL_PORT", "StoreLocation", "StoreShape", "parse_store_location"]

SENTINEL_PORT: Final = 26379
"""The port that Sentinels listen on by default."""

_EXAMPLES: Final = (
    "valkey+cluster://host:6379,other:6379 or valkey+sentinel://host:26379,other:26379/NAME"
)


class StoreShape(StrEnum):
    """How many servers a store is."""

    SINGLE = "single"
    """One server at one address."""
    SENTINEL = "sentinel"
    """One primary at a time; Sentinels know which."""
    CLUSTER = "cluster"
    """Several primaries, each with some of the slots."""


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where a store is to be found, whatever its shape.

    Attributes:
        shape: Which.
        nodes: The server; or the Sentinels; or some nodes of the Cluster, which know the others.
        primary_name: What the Sentinels call the primary; empty for other shapes.
        servers: User, password and TLS of the servers behind Sentinels; its host is empty. Of other
            shapes this is the first node.
    """

    shape: StoreShape
    nodes: tuple[StoreAddress, ...]
    servers: StoreAddress
    primary_name: str = ""

    def __str__(self) -> str:
        """As a URL without passwords, for logs and errors."""
        if self.shape is StoreShape.SINGLE:
            return str(self.nodes[0])
        scheme = "valkeys" if self.servers.tls else "valkey"
        hosts = ",".join(str(node).rpartition("/")[2].rpartition("@")[2] for node in self.nodes)
        name = f"/{self.primary_name}" if self.primary_name else ""
        return f"{scheme}+{self.shape}://{hosts}{name}"

    @classmethod
    def single(cls, address: StoreAddress) -> "StoreLocation":
        """One server."""
        return cls(StoreShape.SINGLE, (address,), address)


def parse_store_location(url: str) -> StoreLocation:
    """Parses the URL of a store.

    Args:
        url: As `parse_store_url` takes it; or with `+cluster` behind the scheme and several hosts,
            separated by commas; or with `+sentinel`, the Sentinels as hosts and the primary's name
            as path, where user and password are those of the servers, and the Sentinels' own
            follow as `?sentinel_password=…` and `?sentinel_user=…`.

    Raises:
        StoreUrlInvalid: The URL names something else; the message says what and how to write it.
    """
    scheme, colon, rest = url.strip().partition("://")
    base, plus, shape = scheme.partition("+")
    if not plus or not colon:
        return StoreLocation.single(parse_store_url(url))
    if shape not in (StoreShape.CLUSTER, StoreShape.SENTINEL):
        raise StoreUrlInvalid(f"store URL: unknown scheme {scheme!r}; write {_EXAMPLES}")
    before_query, _, query = rest.partition("?")
    before_path, slash, name = before_query.partition("/")
    user, at, hosts = before_path.rpartition("@")
    addresses = tuple(parse_store_url(f"{base}://{user}{at}{host}") for host in hosts.split(","))
    if shape == StoreShape.CLUSTER:
        if name.strip("0") or query:
            raise StoreUrlInvalid(f"store URL: a Cluster's ends with its hosts; write {_EXAMPLES}")
        return StoreLocation(StoreShape.CLUSTER, addresses, addresses[0])
    if not slash or not name or "/" in name:
        raise StoreUrlInvalid(
            "store URL: Sentinels are asked for a primary by its name, which is missing; "
            f"write {_EXAMPLES}"
        )
    nodes = _sentinels(base, hosts, query)
    return StoreLocation(StoreShape.SENTINEL, nodes, addresses[0], unquote(name))


def _sentinels(base: str, hosts: str, query: str) -> tuple[StoreAddress, ...]:
    """The Sentinels' addresses, with their own user and password."""
    given = parse_qs(query)
    unknown = given.keys() - {"sentinel_user", "sentinel_password"}
    if unknown:
        raise StoreUrlInvalid(
            f"store URL: unknown {min(unknown)!r} behind the '?'; there are sentinel_user and "
            "sentinel_password"
        )
    (username,), (password,) = (
        given.get("sentinel_user", [""]),
        given.get("sentinel_password", [""]),
    )
    found = []
    for host in hosts.split(","):
        address = parse_store_url(f"{base}://{host}")
        has_port = host.rpartition(":")[2].isdigit() and not host.endswith("]")
        port = address.port if has_port else SENTINEL_PORT
        found.append(StoreAddress(address.host, port, "", username, password, address.tls))
    return tuple(found)
