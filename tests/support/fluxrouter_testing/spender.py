"""An account that a client under test spends from, and a look at its counters past that client."""

from dataclasses import dataclass

from fluxrouter_testing.customers import Connection
from fluxrouter_testing.fleet import Fleet

__all__ = ["Spender"]


@dataclass(frozen=True)
class Spender:
    """Who calls: an account, and a look at its counters past the client."""

    address: str
    account: str
    connection: Connection
    fleet: Fleet

    async def counters(self) -> tuple[int, int]:
        """What is settled and what is held, in nano-USD."""
        spend = await self.connection.spend(self.account)
        return spend.settled_nano_usd, spend.held_nano_usd
