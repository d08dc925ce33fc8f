"""A real primary with replicas, and Sentinels that watch them, on this machine."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from fluxrouter_server.store.locations import StoreLocation, parse_store_location
from fluxrouter_testing.valkey import ThrowawayValkey
from fluxrouter_testing.waiting import eventually

__all__ = ["PRIMARY_NAME", "ThrowawayReplication", "running_replication"]

PRIMARY_NAME: Final = "main"
"""What the Sentinels call the primary."""

_SENTINELS: Final = 3
_QUORUM: Final = 2
_DOWN_MILLISECONDS: Final = 500
"""So long a primary may be silent before the Sentinels hold it for dead."""


class ThrowawayReplication:
    """Servers of which one is the primary; use `running_replication`."""

    def __init__(self, servers: list[ThrowawayValkey], stack: ExitStack) -> None:
        """Takes running servers, the first of them the primary, and what ends the Sentinels."""
        self.servers = servers
        self.sentinels: list[ThrowawayValkey] = []
        self._stack = stack
        for replica in self.replicas:
            replica.command("REPLICAOF", *_address(self.primary))
        eventually(self.is_synchronised, timeout_seconds=30)

    @property
    def primary(self) -> ThrowawayValkey:
        """The server that says of itself that it is one."""
        for server in self.servers:
            if server.is_running and "role:master" in _replication(server):
                return server
        raise AssertionError("no server is a primary")

    @property
    def replicas(self) -> list[ThrowawayValkey]:
        """The other servers that run."""
        primary = self.primary
        return [server for server in self.servers if server.is_running and server is not primary]

    @property
    def url(self) -> str:
        """For `--store`: by the Sentinels."""
        hosts = (f"127.0.0.1:{sentinel.tcp_address.port}" for sentinel in self.sentinels)
        return f"valkey+sentinel://{','.join(hosts)}/{PRIMARY_NAME}"

    @property
    def location(self) -> StoreLocation:
        """The same, parsed."""
        return parse_store_location(self.url)

    def is_synchronised(self) -> bool:
        """Whether every replica follows the primary."""
        told = [_replication(replica) for replica in self.replicas]
        return bool(told) and all("master_link_status:up" in text for text in told)

    def named_primary(self) -> ThrowawayValkey | None:
        """The server that the Sentinels name."""
        reply = self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY_NAME)
        assert isinstance(reply, list)
        port = int(reply[1])
        return next((one for one in self.servers if one.tcp_address.port == port), None)

    def start_again(self, server: ThrowawayValkey) -> None:
        """Starts a server that was killed, behind whom the Sentinels name, as entrypoints do."""
        eventually(lambda: self.named_primary() is not server, timeout_seconds=20)
        named = self.named_primary()
        assert named is not None
        server.configure(replicaof=" ".join(map(str, _address(named))))
        server.start()

    def watch(self) -> None:
        """Starts the Sentinels, and waits until they know everybody."""
        for _ in range(_SENTINELS):
            directory = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fluxrouter-"))
            )
            sentinel = ThrowawayValkey(
                directory,
                with_tcp=True,
                arguments=("--sentinel",),
                config={
                    f"sentinel monitor {PRIMARY_NAME}": " ".join(
                        map(str, (*_address(self.primary), _QUORUM))
                    ),
                    f"sentinel down-after-milliseconds {PRIMARY_NAME}": str(_DOWN_MILLISECONDS),
                    f"sentinel failover-timeout {PRIMARY_NAME}": "5000",
                    f"sentinel parallel-syncs {PRIMARY_NAME}": str(len(self.servers)),
                },
            )
            self._stack.callback(sentinel.stop)
            self.sentinels.append(sentinel.start())
        eventually(self._is_watched, timeout_seconds=30)

    def _is_watched(self) -> bool:
        others = f"slaves={len(self.servers) - 1},sentinels={_SENTINELS}"
        return all(
            others in _text(sentinel.command("INFO", "sentinel")) for sentinel in self.sentinels
        )


@contextmanager
def running_replication(
    *, replicas: int, min_replicas: int = 0, with_sentinels: bool = False, durable: bool = False
) -> Iterator[ThrowawayReplication]:
    """Starts a primary and its replicas for the length of a block.

    Args:
        replicas: How many.
        min_replicas: What the servers' min-replicas-to-write is.
        with_sentinels: Have three Sentinels watch them.
        durable: See `ThrowawayValkey`.
    """
    with ExitStack() as stack:
        servers = []
        for _ in range(replicas + 1):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fluxrouter-")))
            config = {
                "min-replicas-to-write": str(min_replicas),
                "repl-diskless-sync-delay": "0",
            }
            server = ThrowawayValkey(directory, config=config, durable=durable, with_tcp=True)
            stack.callback(server.stop)
            servers.append(server.start())
        replication = ThrowawayReplication(servers, stack)
        if with_sentinels:
            replication.watch()
        yield replication


def _address(server: ThrowawayValkey) -> tuple[str, int]:
    return "127.0.0.1", server.tcp_address.port


def _replication(server: ThrowawayValkey) -> str:
    return _text(server.command("INFO", "replication"))


def _text(reply: object) -> str:
    assert isinstance(reply, bytes)
    return reply.decode()
