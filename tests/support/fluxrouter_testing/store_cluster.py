"""A real Valkey Cluster on this machine; a test may move its slots and kill its nodes."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from fluxrouter_server.store.locations import StoreLocation, parse_store_location
from fluxrouter_server.store.slots import SLOTS
from fluxrouter_testing.valkey import ThrowawayValkey
from fluxrouter_testing.waiting import eventually

__all__ = ["AnyStore", "ThrowawayCluster", "running_cluster"]

_SETTINGS: Final = {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    # So long a node may be silent before the others hold it for dead.
    "cluster-node-timeout": "1000",
    # A dead primary stops its own slots only.
    "cluster-require-full-coverage": "no",
    "cluster-allow-replica-migration": "no",
    "repl-diskless-sync-delay": "0",
}


class ThrowawayCluster:
    """Some primaries, each with as many replicas; use `running_cluster`."""

    def __init__(
        self, primaries: Sequence[ThrowawayValkey], replicas: Sequence[ThrowawayValkey]
    ) -> None:
        """Takes running servers that know nothing of each other yet."""
        self.primaries = list(primaries)
        self.replicas = list(replicas)
        self._form()

    @property
    def nodes(self) -> list[ThrowawayValkey]:
        """All servers."""
        return [*self.primaries, *self.replicas]

    @property
    def url(self) -> str:
        """For `--store`."""
        hosts = (f"127.0.0.1:{node.tcp_address.port}" for node in self.primaries)
        return f"valkey+cluster://{','.join(hosts)}"

    @property
    def location(self) -> StoreLocation:
        """The same, parsed."""
        return parse_store_location(self.url)

    def node_id(self, node: ThrowawayValkey) -> str:
        """What the Cluster calls a node."""
        return _text(node.command("CLUSTER", "MYID"))

    def owner_of(self, slot: int) -> ThrowawayValkey:
        """The primary that has a slot now, by its own word."""
        for node in self.nodes:
            if node.is_running and slot in _own_slots(node):
                return node
        raise AssertionError(f"nobody has slot {slot}")

    def move_slots(self, first: int, last: int, target: ThrowawayValkey) -> None:
        """Moves a range of slots of one owner by atomic migration; returns once it is done."""
        source = self.owner_of(first)
        source.command(
            "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", self.node_id(target)
        )
        eventually(lambda: last in _own_slots(target), timeout_seconds=20)

    def move_slot_key_by_key(self, slot: int, target: ThrowawayValkey) -> None:
        """Moves a slot as before atomic migration: meanwhile its keys lie on two nodes."""
        source = self.owner_of(slot)
        source_id, target_id = self.node_id(source), self.node_id(target)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        port = target.tcp_address.port
        while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 10):
            assert isinstance(keys, list)
            source.command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.primaries):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def flush(self) -> None:
        """Empties it."""
        self.command_everywhere("FLUSHALL")

    def command_everywhere(self, *words: str | int) -> None:
        """Runs a command on every primary."""
        for node in self.primaries:
            node.command(*words)

    def pause(self) -> None:
        """Hangs every server; see `ThrowawayValkey`."""
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        """Lets them go on."""
        for node in self.nodes:
            node.resume()

    def kill(self) -> None:
        """Ends every server without any warning."""
        for node in self.nodes:
            node.kill()

    def start(self) -> None:
        """Starts all that were killed, on what they left."""
        for node in self.nodes:
            node.start()

    def _form(self) -> None:
        share = SLOTS // len(self.primaries)
        for number, node in enumerate(self.primaries):
            first = number * share
            last = SLOTS - 1 if number == len(self.primaries) - 1 else first + share - 1
            node.command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for number, node in enumerate(self.nodes, start=1):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number)
        first_node = self.primaries[0]
        for node in self.nodes[1:]:
            node.command("CLUSTER", "MEET", "127.0.0.1", *first_node.cluster_ports)
        eventually(self._is_formed, timeout_seconds=30)
        for number, replica in enumerate(self.replicas):
            primary = self.primaries[number % len(self.primaries)]
            replica.command("CLUSTER", "REPLICATE", self.node_id(primary))
        eventually(lambda: all(map(_is_synchronised, self.replicas)), timeout_seconds=30)

    def _is_formed(self) -> bool:
        wanted = {f"cluster_known_nodes:{len(self.nodes)}", "cluster_state:ok"}
        return all(
            wanted <= set(_text(node.command("CLUSTER", "INFO")).split()) for node in self.nodes
        )


AnyStore: TypeAlias = ThrowawayValkey | ThrowawayCluster
"""What tests that do not care about a store's shape take."""


@contextmanager
def running_cluster(
    *,
    primaries: int = 3,
    replicas: int = 0,
    durable: bool = False,
    config: Mapping[str, str] | None = None,
) -> Iterator[ThrowawayCluster]:
    """Starts a Cluster for the length of a block.

    Args:
        primaries: How many.
        replicas: Of each primary.
        durable: See `ThrowawayValkey`.
        config: Further settings of each server.
    """
    with ExitStack() as stack:
        servers = []
        for _ in range(primaries * (1 + replicas)):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fluxrouter-")))
            server = ThrowawayValkey(
                directory, config={**_SETTINGS, **(config or {})}, durable=durable, with_tcp=True
            )
            servers.append(server)
            stack.callback(server.stop)
            server.start()
        yield ThrowawayCluster(servers[:primaries], servers[primaries:])


def _own_slots(node: ThrowawayValkey) -> set[int]:
    """The slots that a node has by its own word; none where it is a replica."""
    for line in _text(node.command("CLUSTER", "NODES")).splitlines():
        words = line.split()
        if "myself" in words[2] and "master" in words[2]:
            return {
                slot
                for word in words[8:]
                if not word.startswith("[")
                for slot in range(int(word.split("-")[0]), int(word.split("-")[-1]) + 1)
            }
    return set()


def _is_synchronised(replica: ThrowawayValkey) -> bool:
    return "master_link_status:up" in _text(replica.command("INFO", "replication"))


def _text(reply: object) -> str:
    assert isinstance(reply, bytes)
    return reply.decode()
