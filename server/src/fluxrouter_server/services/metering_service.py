"""Ends holds, or enlarges them while an answer still runs."""

from dataclasses import dataclass

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Receipt
from fluxrouter_server.domain.ids import RequestId
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.services.callers import AccountRef, Caller
from fluxrouter_server.services.ports.holds import Extended


@dataclass(frozen=True, slots=True)
class RequestRef:
    """A request whose hold id the caller never learned."""

    account: AccountRef
    request_id: RequestId
    attempt: int


class MeteringService:
    """Settle, Release and Extend; all may be repeated."""

    async def settle(self, hold_id: str, usage: Usage, caller: Caller) -> Receipt | Denial:
        """Charge a hold with what was used; the first ending counts, later calls answer it again.

        Raises:
            StoreUnavailable: no decision was had; repeat it.
        """
        raise NotImplementedError

    async def release(self, target: str | RequestRef, caller: Caller) -> Receipt | Denial:
        """Give a hold back, named by its id or by its request.

        An unknown request is remembered, so that a delayed Route of it is not admitted any more.

        Raises:
            StoreUnavailable: no decision was had; repeat it.
        """
        raise NotImplementedError

    async def extend(
        self, hold_id: str, *, output_tokens: int, expire_us: int | None, caller: Caller
    ) -> Extended | Denial:
        """Enlarge a hold to absolute values; 0 and None leave as it is.

        Raises:
            StoreUnavailable: no decision was had; repeat it.
        """
        raise NotImplementedError
