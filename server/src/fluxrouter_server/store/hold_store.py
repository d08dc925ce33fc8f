"""Decisions about money in Valkey: each method is one script, atomic, on the store's own clock."""

from collections.abc import Callable

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.hold_ids import HoldRef, request_key
from fluxrouter_server.domain.holds import HoldState, LevelSpend, Receipt
from fluxrouter_server.domain.ids import Principal, RequestId
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.pace import Pace
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import validate_usage
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
from fluxrouter_server.store.admit_codec import admit_arguments, read_admitted, read_fit
from fluxrouter_server.store.hold_calls import Answer, HoldCalls
from fluxrouter_server.store.hold_denials import read_denial
from fluxrouter_server.store.hold_records import HoldKey, read_hold, read_receipt, unpack
from fluxrouter_server.store.packed_limits import LimitsPacker, level_name
from fluxrouter_server.store.replies import Argument
from fluxrouter_server.store.stale_documents import read_stale

__all__ = ["ValkeyHoldStore"]


def _ignore(_state: HoldState, _count: int) -> None:
    """Nobody counts."""


class ValkeyHoldStore:
    """Implements `HoldStore`.

    Args:
        calls: Runs the scripts.
        most_backlog_entries: See `HoldTiming`.
        most_lag_ms: See `HoldTiming`.
        on_expired: Told how many holds a script ended by their expiry on its way, for metrics.
    """

    def __init__(
        self,
        calls: HoldCalls,
        *,
        most_backlog_entries: int,
        most_lag_ms: int = 0,
        on_expired: Callable[[HoldState, int], None] = _ignore,
    ) -> None:
        self._calls = calls
        self._most_backlog_entries = most_backlog_entries
        self._on_expired = on_expired
        self._packer = LimitsPacker(most_lag_ms=most_lag_ms)

    async def admit(self, command: AdmitCommand) -> Admitted | Denial | Stale:
        """Admit once, or say why not, or say that the caller's documents are old."""
        limits, key = command.limits, _key_of(command)
        args = admit_arguments(command, key, self._packer, self._most_backlog_entries)
        answer = await self._calls.run("admit", limits.uid, limits.plan, args)
        verdict = answer[0]
        if verdict == b"ADMITTED":
            self._count_expired(answer[10], answer[11])
            pace = Pace(answer[1], answer[12], answer[13])
            return Admitted(read_admitted(answer, command, key), replayed=False, pace=pace)
        if verdict == b"REPLAYED":
            return Admitted(read_hold(answer[2], key), replayed=True)
        return self._read_other(answer, limits)

    async def recall(self, command: AdmitCommand) -> Admitted | Denial | Stale | None:
        """Answer as `admit` would before it looks at candidates; None where all is up to them."""
        limits, key = command.limits, _key_of(command)
        args = admit_arguments(command, key, self._packer, self._most_backlog_entries)
        answer = await self._calls.run("recall", limits.uid, limits.plan, args)
        if answer[0] == b"UNKNOWN":
            return None
        if answer[0] == b"REPLAYED":
            return Admitted(read_hold(answer[2], key), replayed=True)
        return self._read_other(answer, limits)

    async def check(self, command: AdmitCommand) -> Fit | Stale:
        """Say what `admit` would do; request id and attempt are ignored, nothing is written."""
        limits = command.limits
        args = admit_arguments(command, _key_of(command), self._packer, self._most_backlog_entries)
        answer = await self._calls.run("check", limits.uid, limits.plan, args)
        if answer[0] == b"STALE":
            return read_stale(answer, limits.uid)
        return read_fit(answer, command)

    async def settle(self, command: SettleCommand) -> Receipt | Denial | Stale:
        """Charge at most once.

        Raises:
            StoreError: No decision was had.
            ValueError: The usage is out of bounds; the caller should have refused it.
        """
        usage, limits = command.usage, command.limits
        if validate_usage(usage):
            raise ValueError(f"{usage} cannot be priced")
        packed = self._packer.pack(limits)
        args = (
            *_hold_arguments(command.hold, command.principal, command.may_meter_any),
            packed.generations[0],
            packed.generations[1],
            packed.caps,
            packed.alerts,
            usage.input_tokens,
            usage.cached_input_tokens,
            usage.cache_write_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
        )
        answer = await self._calls.run("settle", command.hold.uid, limits.plan, args)
        if answer[0] == b"ENDED":
            return read_receipt(answer, HoldKey(command.hold.uid, command.hold.request_key))
        return self._read_other(answer, limits)

    async def release(self, command: ReleaseCommand) -> Receipt | Denial | Stale:
        """Give back; remember a request that is not known."""
        limits, hold = command.limits, command.hold
        named = (
            _hold_arguments(hold, command.principal, command.may_meter_any)
            if hold is not None
            else _request_arguments(command)
        )
        caps = self._packer.pack(limits).caps
        args = (*named, caps, command.request_id or "", command.call)
        answer = await self._calls.run("release", command.uid, None, args)
        verdict = answer[0]
        if verdict in (b"ENDED", b"KEPT"):
            return read_receipt(answer, HoldKey(command.uid, str(named[0])))
        if verdict == b"REMEMBERED":
            return _remembered(command)
        if verdict == b"MISSING":
            return Stale(None, None, None, None, answer[1], account_missing=True)
        return self._read_other(answer, limits)

    async def extend(self, command: ExtendCommand) -> Extended | Denial | Stale:
        """Enlarge a live hold where it fits."""
        limits = command.limits
        packed = self._packer.pack(limits)
        args = (
            *_hold_arguments(command.hold, command.principal, command.may_meter_any),
            packed.generations[0],
            packed.generations[1],
            packed.caps,
            int(limits.enforcement == "observe"),
            int(limits.payment_method_missing),
            command.output_tokens,
            command.expire_us or 0,
        )
        answer = await self._calls.run("extend", command.hold.uid, limits.plan, args)
        if answer[0] == b"EXTENDED":
            self._count_expired(answer[6], answer[7])
            return Extended(*answer[2:6])
        return self._read_other(answer, limits)

    async def read_spend(self, limits: Limits, proposed: Period) -> SpendReading | Stale:
        """Read all counters in one step from the primary."""
        packed = self._packer.pack(limits)
        args = (*packed.generations, packed.all_levels, proposed.start_us, proposed.end_us)
        answer = await self._calls.run("spend", limits.uid, limits.plan, args)
        if answer[0] == b"STALE":
            return read_stale(answer, limits.uid)
        flat = unpack(packed.all_levels)
        _, now_us, start_us, end_us, absorbed, included_used, in_flight, *counters = answer
        levels = tuple(
            LevelSpend(level_name(name), None if cap < 0 else cap, settled, held)
            for name, cap, settled, held in zip(
                flat[::2], flat[1::2], counters[::2], counters[1::2], strict=True
            )
        )
        return SpendReading(
            period=Period(start_us, end_us),
            levels=levels,
            absorbed_nano_usd=absorbed,
            included_used_nano_usd=included_used,
            in_flight=in_flight,
            store_us=now_us,
        )

    def _read_other(self, answer: Answer, limits: Limits) -> Denial | Stale:
        if answer[0] == b"STALE":
            return read_stale(answer, limits.uid)
        self._count_expired(answer[5], answer[6])
        return read_denial(answer, limits.plan)

    def _count_expired(self, charged: int, released: int) -> None:
        if charged:
            self._on_expired(HoldState.EXPIRED_CHARGED, charged)
        if released:
            self._on_expired(HoldState.EXPIRED_RELEASED, released)


def _key_of(command: AdmitCommand) -> HoldKey:
    uid = command.limits.uid
    return HoldKey(uid, request_key(uid, command.request_id))


def _hold_arguments(
    hold: HoldRef, principal: Principal, may_meter_any: bool
) -> tuple[Argument, ...]:
    """The arguments from the ninth on of every script that finds a hold by its id."""
    return (
        hold.request_key,
        hold.attempt,
        hold.epoch,
        hold.admitted_ms,
        principal,
        int(may_meter_any),
    )


def _request_arguments(command: ReleaseCommand) -> tuple[Argument, ...]:
    """The same where the hold is found by its request."""
    key = request_key(command.uid, _request_id(command))
    return (key, command.attempt, "", "", command.principal, int(command.may_meter_any))


def _request_id(command: ReleaseCommand) -> RequestId:
    if command.request_id is None:
        raise ValueError("a release names a hold or a request; this one names neither")
    return command.request_id


def _remembered(command: ReleaseCommand) -> Receipt:
    return Receipt(
        hold_id=None,
        request_id=_request_id(command),
        attempt=command.attempt,
        state=HoldState.RELEASED,
        replayed=False,
        cost_nano_usd=0,
        billed_nano_usd=0,
        absorbed_nano_usd=0,
        included_nano_usd=0,
        metered_nano_usd=0,
        headroom_nano_usd=0,
        model=None,
        lane=None,
    )
