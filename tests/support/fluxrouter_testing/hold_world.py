"""Shorthands to act on one account of a real store: what tests of holds are written in."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import TypeAlias

from fluxrouter_server.domain.adjustments import Adjusted, Adjustment
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.hold_ids import HoldRef, parse_hold_id
from fluxrouter_server.domain.holds import Hold, HoldState, Receipt
from fluxrouter_server.domain.ids import Principal, RequestId
from fluxrouter_server.domain.ledger import EntryKind
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.services.ports.adjusting import AdjustCommand, Elsewhere
from fluxrouter_server.services.ports.holds import (
    AdmitCommand,
    Admitted,
    ExtendCommand,
    Extended,
    Fit,
    ReleaseCommand,
    SettleCommand,
    SpendReading,
    Stale,
)
from fluxrouter_server.services.ports.ledger import NumberedPeriod
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_testing.blocking_store import finish
from fluxrouter_testing.hold_documents import candidate
from fluxrouter_testing.store_world import StoreWorld
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["EDGE", "HoldWorld", "candidate", "ref"]

EDGE = Principal("service/edge")
AnyHold: TypeAlias = "Hold | HoldRef"


class HoldWorld(StoreWorld):
    """A store world in which requests are made.

    Each method takes further fields of its command as `changes`. `limits` are today's; pass older
    ones to act as a replica that missed a change.
    """

    def __init__(self, server: ThrowawayValkey, timing: HoldTiming | None = None) -> None:
        """As `StoreWorld`."""
        super().__init__(server, timing)
        self._requests = count(1)

    def command(
        self,
        request_id: str | None = None,
        *,
        limits: Limits | None = None,
        proposed_period: Period | None = None,
        **changes: object,
    ) -> AdmitCommand:
        """A request of the account, without a key; the digest follows the request id."""
        request_id = request_id or f"request-{next(self._requests)}"
        command = AdmitCommand(
            limits=limits or self.limits,
            principal=EDGE,
            key_hash=None,
            key_name=None,
            request_id=RequestId(request_id),
            attempt=1,
            digest=request_id.encode()[:16].ljust(16, b"\0"),
            candidates=(candidate(),),
            proposed_period=proposed_period or self.proposed,
            labels={},
            model_asked="flux-auto",
            tier=None,
        )
        return replace(command, **changes)  # type: ignore[arg-type]

    def ask(self, request_id: str | None = None, **changes: object) -> Admitted | Denial | Stale:
        """Asks for an admission."""
        command = self.command(request_id, **changes)  # type: ignore[arg-type]
        return finish(self.holds.admit(command))

    def admit(self, request_id: str | None = None, **changes: object) -> Hold:
        """Asks for an admission that must be given anew."""
        answer = self.ask(request_id, **changes)
        assert isinstance(answer, Admitted), answer
        assert not answer.replayed
        return answer.hold

    def deny(self, request_id: str | None = None, **changes: object) -> Denial:
        """Asks for an admission that must be denied."""
        answer = self.ask(request_id, **changes)
        assert isinstance(answer, Denial), answer
        return answer

    def recall(
        self, request_id: str | None = None, **changes: object
    ) -> Admitted | Denial | Stale | None:
        """Asks whether a request is known, without a candidate to offer."""
        command = self.command(request_id, candidates=(), **changes)  # type: ignore[arg-type]
        return finish(self.holds.recall(command))

    def check(self, **changes: object) -> Fit:
        """Asks what admission would do."""
        fit = finish(self.holds.check(self.command(**changes)))  # type: ignore[arg-type]
        assert isinstance(fit, Fit), fit
        return fit

    def try_settle(
        self, hold: AnyHold, usage: Usage | None = None, **changes: object
    ) -> Receipt | Denial | Stale:
        """Settles a hold with 1,000 input and 1,000 output tokens, or that usage."""
        command = SettleCommand(
            hold=ref(hold),
            usage=usage or Usage(1_000, 0, 0, 1_000),
            limits=self.limits,
            principal=EDGE,
            may_meter_any=False,
        )
        return finish(self.holds.settle(replace(command, **changes)))  # type: ignore[arg-type]

    def settle(self, hold: AnyHold, usage: Usage | None = None, **changes: object) -> Receipt:
        """The same where it must be answered by a receipt."""
        receipt = self.try_settle(hold, usage, **changes)
        assert isinstance(receipt, Receipt), receipt
        return receipt

    def try_release(self, hold: AnyHold, **changes: object) -> Receipt | Denial | Stale:
        """Releases a hold by its id."""
        parts = ref(hold)
        command = ReleaseCommand(
            uid=self.uid,
            request_id=None,
            attempt=parts.attempt,
            hold=parts,
            limits=self.limits,
            principal=EDGE,
            may_meter_any=False,
        )
        return finish(self.holds.release(replace(command, **changes)))  # type: ignore[arg-type]

    def release(self, hold: AnyHold, **changes: object) -> Receipt:
        """The same where it must be answered by a receipt."""
        receipt = self.try_release(hold, **changes)
        assert isinstance(receipt, Receipt), receipt
        return receipt

    def release_request(self, request_id: str, attempt: int = 1, **changes: object) -> Receipt:
        """Releases whatever was admitted under a request's id."""
        command = ReleaseCommand(
            uid=self.uid,
            request_id=RequestId(request_id),
            attempt=attempt,
            hold=None,
            limits=self.limits,
            principal=EDGE,
            may_meter_any=False,
        )
        receipt = finish(self.holds.release(replace(command, **changes)))  # type: ignore[arg-type]
        assert isinstance(receipt, Receipt), receipt
        return receipt

    def try_extend(self, hold: AnyHold, **changes: object) -> Extended | Denial | Stale:
        """Extends a hold; give `output_tokens` or `expire_us`."""
        command = ExtendCommand(
            hold=ref(hold),
            output_tokens=0,
            expire_us=None,
            limits=self.limits,
            principal=EDGE,
            may_meter_any=False,
        )
        return finish(self.holds.extend(replace(command, **changes)))  # type: ignore[arg-type]

    def extend(self, hold: AnyHold, **changes: object) -> Extended:
        """The same where it must fit."""
        extended = self.try_extend(hold, **changes)
        assert isinstance(extended, Extended), extended
        return extended

    def try_adjust(
        self,
        amount_nano_usd: int,
        *,
        limits: Limits | None = None,
        proposed_period: Period | None = None,
        closed: NumberedPeriod | None = None,
        **changes: object,
    ) -> Adjusted | Elsewhere | Denial | Stale:
        """Corrects usage; give other fields of the `Adjustment` as changes."""
        asked = Adjustment(
            id=f"adjustment-{next(self._requests)}",
            kind=EntryKind.ADJUSTMENT,
            amount_nano_usd=amount_nano_usd,
            reason="the upstream reported too much",
            instant_us=None,
            key=None,
            labels={},
        )
        command = AdjustCommand(
            limits=limits or self.limits,
            proposed_period=proposed_period or self.proposed,
            adjustment=replace(asked, **changes),  # type: ignore[arg-type]
            principal=EDGE,
            closed=closed,
        )
        return finish(self.adjustments.adjust(command))

    def adjust(self, amount_nano_usd: int, **changes: object) -> Adjusted:
        """The same where it must be written."""
        adjusted = self.try_adjust(amount_nano_usd, **changes)  # type: ignore[arg-type]
        assert isinstance(adjusted, Adjusted), adjusted
        return adjusted

    def sweep(self) -> Mapping[HoldState, int]:
        """Sweeps all shards once."""
        return asyncio.run(self.sweeper.sweep())

    def spend(self) -> SpendReading:
        """Reads the counters as callers see them."""
        reading = finish(self.holds.read_spend(self.limits, self.proposed))
        assert isinstance(reading, SpendReading), reading
        return reading


def ref(hold: AnyHold) -> HoldRef:
    """The parts of a hold's id."""
    if isinstance(hold, HoldRef):
        return hold
    parts = parse_hold_id(hold.id)
    assert parts is not None, hold.id
    return parts
