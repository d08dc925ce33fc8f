"""One account on a real server, for tests that talk to it over the wire."""

from dataclasses import dataclass
from typing import Any

from fluxrouter.v1 import control_pb2, metering_pb2, router_pb2
from fluxrouter_testing.customers import Connection
from fluxrouter_testing.fleet import SimulatedClock

__all__ = ["Shop"]


@dataclass(frozen=True)
class Shop:
    """A connection to the server, and an account that is one test's alone.

    Attributes:
        connection: The services.
        account: Its name in the namespace `default`; it has $1.00 a month.
        plan: Its plan, which nobody else has.
        clock: The store's.
    """

    connection: Connection
    account: str
    plan: str
    clock: SimulatedClock

    def request(self, **fields: Any) -> router_pb2.RouteRequest:  # noqa: ANN401 - any of them
        """A request of the account: 1,000 input and at most 100 output tokens, which is $0.0014."""
        usual = {
            "account": self.account,
            "model": "flux-fast",
            "input_tokens": 1000,
            "max_output_tokens": 100,
        }
        return router_pb2.RouteRequest(**{**usual, **fields})

    async def route(self, **fields: Any) -> router_pb2.RouteResponse:  # noqa: ANN401 - as above
        """Routes that request."""
        return await self.connection.router.Route(self.request(**fields))

    async def settle(self, hold_id: str, *, output_tokens: int) -> metering_pb2.Receipt:
        """Settles a hold: 1,000 input tokens and that many output tokens."""
        usage = metering_pb2.Usage(input_tokens=1000, output_tokens=output_tokens)
        request = metering_pb2.SettleRequest(hold_id=hold_id, usage=usage)
        return (await self.connection.metering.Settle(request)).receipt

    async def create_key(self, name: str = "main") -> str:
        """Makes a key of the account and returns its text."""
        request = control_pb2.CreateKeyRequest(account=self.account, name=name)
        return (await self.connection.control.CreateKey(request)).secret

    async def held_nano_usd(self) -> int:
        """What the account's holds set aside."""
        return (await self.connection.spend(self.account)).held_nano_usd
