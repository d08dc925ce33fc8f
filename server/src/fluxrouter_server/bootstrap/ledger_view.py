"""What a process sees of the ledger, apart from what keeps it and takes long to import."""

from dataclasses import dataclass

from fluxrouter_server.services.ports.ledger import Backlog, LedgerReader, LedgerUpkeep
from fluxrouter_server.store.ledger_stream import ValkeyLedgerStream

__all__ = ["LedgerWatch", "OpenLedger"]


class LedgerWatch:
    """Counts what waits for the ledger, now and then; `backlog` has the latest count."""

    def __init__(self, stream: ValkeyLedgerStream) -> None:
        self._stream = stream
        self.backlog = Backlog(0, 0.0)

    async def look(self) -> None:
        """Count; raises StoreError."""
        self.backlog = await self._stream.backlog()


@dataclass(frozen=True, slots=True)
class OpenLedger:
    """What a process has of the ledger; `watch` is None where it keeps none."""

    reader: LedgerReader
    upkeep: LedgerUpkeep
    watch: LedgerWatch | None
