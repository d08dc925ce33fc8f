"""What the scripts should do, as plain and slow as it can be said: the oracle of the stateful test.

It knows one account with holds, counters and periods, takes time as an argument and keeps its
numbers under the names that the store uses, so that both can be compared as they are. It says
nothing of rates, `observe` and batches of more than 256 overdue holds, which have other tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.hold_ids import request_key
from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.domain.ids import AccountUid, RequestId
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.plans import OnExpiry, Overage
from fluxrouter_server.domain.pricing import Usage, cost_nano_usd, worst_case_nano_usd
from fluxrouter_server.services.ports.holds import AdmitCommand
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_testing.hold_documents import HOUR_US, SECOND_US
from fluxrouter_testing.hold_model_choice import (
    caps_of,
    choose,
    counter_name,
    least_need,
    levels_of,
    reason_of,
)
from fluxrouter_testing.hold_model_values import (
    Denied,
    ModelHold,
    Refused,
    Replayed,
    StaleDocuments,
)

__all__ = ["EXACT", "HoldModel"]

EXACT: Final = 2**53
"""The room of a level without a cap, less what is used of it."""


@dataclass
class HoldModel:
    """One account's money. `number` holds counters by their names in the store."""

    uid: AccountUid
    timing: HoldTiming
    number: dict[str, int] = field(default_factory=dict)
    periods: dict[int, Period] = field(default_factory=dict)
    closed: int = 0
    hours: set[int] = field(default_factory=set)
    live: dict[str, ModelHold] = field(default_factory=dict)
    ended: dict[str, list[ModelHold]] = field(default_factory=dict)
    refused: dict[str, list[Refused]] = field(default_factory=dict)
    top_bucket: int = 0

    # Admission.

    def admit(
        self,
        command: AdmitCommand,
        now_us: int,
        *,
        is_fresh: bool,
        key_field: str,
        refusal: Reason | None,
    ) -> ModelHold | Replayed | Denied | StaleDocuments:
        """Admit or say why not. `refusal` is what the account's state says of anybody."""
        if refusal is not None:
            return Denied(refusal)
        known = self._replay(command, now_us)
        if known is not None:
            return known
        if not is_fresh or not self._open_period(command.proposed_period, now_us):
            return StaleDocuments()
        self.end_overdue(now_us)
        hour = now_us // HOUR_US
        caps = caps_of(command.limits)
        levels = levels_of(command)
        rooms = self._rooms(levels, caps, self.open_number, hour)
        choice = choose(command, min(rooms.values()))
        if choice is None:
            return Denied(reason_of(rooms, least_need(command)))
        offer, granted, need = choice
        self._open_hour(hour, now_us)
        limits = command.limits
        hold = ModelHold(
            request=command.request_id,
            attempt=command.attempt,
            digest=command.digest,
            call=command.call,
            admitted_us=now_us,
            expire_us=now_us + limits.holds.expiry_seconds * SECOND_US,
            period=self.open_number,
            hour=hour,
            levels=levels,
            offer=offer,
            granted=granted,
            held=need,
            credit=limits.included_credit_nano_usd,
            is_metered=limits.overage is Overage.METERED,
            on_expiry=limits.holds.on_expiry,
            key_field=key_field,
        )
        self._move(hold, settled=0, held=need)
        self.live[hold.request] = hold
        return hold

    # Endings.

    def settle(self, hold: ModelHold, usage: Usage, caps: Mapping[str, int], now_us: int) -> None:
        """Charge a hold that is not settled yet, at most what fits."""
        cost = cost_nano_usd(usage, hold.offer.rates)
        own = hold.held if hold.state is HoldState.ACTIVE else hold.billed
        most = own + self.room(hold, caps) if hold.period > self.closed else hold.billed
        self._end(hold, HoldState.SETTLED, now_us, cost=cost, billed=min(cost, most))

    def release(self, hold: ModelHold, now_us: int) -> None:
        """Give a live hold back."""
        self._end(hold, HoldState.RELEASED, now_us)

    def refuse(self, request: str, attempt: int, call: str, now_us: int) -> None:
        """Remember a release of what is not known."""
        bucket = self._bury(now_us)
        self.refused.setdefault(request, []).append(Refused(attempt, call, bucket))

    def end_overdue(self, now_us: int) -> None:
        """End every hold whose time is over."""
        for hold in sorted(self.live.values(), key=self._due):
            if hold.expire_us > now_us:
                return
            if hold.on_expiry is OnExpiry.CHARGE and hold.period > self.closed:
                state, held = HoldState.EXPIRED_CHARGED, hold.held
                self._end(hold, state, now_us, cost=held, billed=held)
            else:
                self._end(hold, HoldState.EXPIRED_RELEASED, now_us)

    def close_periods(self, now_us: int) -> None:
        """Close what nothing can touch any more."""
        for number, period in sorted(self.periods.items()):
            close_us = period.end_us + self.timing.max_hold_life_us + self.timing.late_window_us
            if number <= self.closed:
                continue
            if close_us > now_us or self.number.get(f"h:{number}:a", 0):
                return
            self.closed = number
            ends = {f"inc:{number}", f"abs:{number}"}
            starts = (f"s:{number}:", f"h:{number}:")
            self.number = {
                name: value
                for name, value in self.number.items()
                if name not in ends and not name.startswith(starts)
            }

    def extend(self, hold: ModelHold, output_tokens: int, expire_us: int) -> None:
        """Enlarge a live hold."""
        hold.granted = max(hold.granted, output_tokens)
        need = worst_case_nano_usd(hold.offer, hold.granted)
        self._move(hold, settled=0, held=need - hold.held)
        hold.held = need
        last_us = hold.admitted_us + self.timing.max_hold_life_us
        hold.expire_us = max(hold.expire_us, min(expire_us, last_us))

    # Adjustments.

    def adjust(self, period: int, amount: int, levels: tuple[str, ...], limits: Limits) -> bool:
        """Correct usage in a period; False where it is refused."""
        if period <= self.closed:
            return amount > 0
        used = self.number.get(f"inc:{period}", 0)
        if amount < 0:
            if self._least_settled(period, levels) + amount < 0:
                return False
            metered = self.number.get(f"s:{period}:a", 0) - used
            billed, included = amount, amount + min(metered, -amount)
        else:
            room = min(self._rooms(levels, caps_of(limits), period, 0).values())
            billed = included = min(amount, max(0, room))
            if self.number.get(f"abs:{period}", 0) + amount - billed > EXACT // 2:
                return False
            if limits.overage is Overage.METERED:
                included = min(billed, max(0, limits.included_credit_nano_usd - used))
        for level in levels:
            self._add(counter_name("s", level, period, 0), billed)
        self._add(f"inc:{period}", included)
        self._add(f"abs:{period}", max(amount, 0) - max(billed, 0))
        return True

    def opens(self, proposed: Period, now_us: int) -> bool:
        """Whether a period is open now, or is opened by this."""
        return self._open_period(proposed, now_us)

    # Questions.

    @property
    def open_number(self) -> int:
        """The number of the latest period, 0 before the first."""
        return max(self.periods, default=0)

    def room(self, hold: ModelHold, caps: Mapping[str, int]) -> int:
        """The least room over a hold's levels, never negative."""
        levels = tuple(level for level in hold.levels if self._counts(hold, level))
        rooms = self._rooms(levels, caps, hold.period, hold.hour)
        return max(0, min(rooms.values(), default=EXACT))

    def shortage(self, hold: ModelHold, need: int, caps: Mapping[str, int]) -> Reason | None:
        """Why a live hold cannot take so much more; None where it can."""
        rooms = self._rooms(hold.levels, caps, hold.period, hold.hour)
        return reason_of(rooms, need) if need > min(rooms.values()) and need > 0 else None

    def find(
        self, request: str, is_it: Callable[[ModelHold], bool], now_us: int
    ) -> ModelHold | None:
        """The hold of a request that is the one, if it is live or remembered."""
        live = self.live.get(request)
        if live is not None and is_it(live):
            return live
        return next((hold for hold in self._remembered(request, now_us) if is_it(hold)), None)

    # The rest is how.

    def _rooms(
        self, levels: tuple[str, ...], caps: Mapping[str, int], period: int, hour: int
    ) -> dict[str, int]:
        return {
            level: caps.get(level, EXACT)
            - self._get("s", level, period, hour)
            - self._get("h", level, period, hour)
            for level in levels
        }

    def _least_settled(self, period: int, levels: tuple[str, ...]) -> int:
        return min(self._get("s", level, period, 0) for level in levels if level != "H")

    def _due(self, hold: ModelHold) -> tuple[int, str]:
        """The store's own order: which of two gets the last of the credit depends on it."""
        return hold.expire_us, request_key(self.uid, RequestId(hold.request))

    def _get(self, kind: str, level: str, period: int, hour: int) -> int:
        return self.number.get(counter_name(kind, level, period, hour), 0)

    def _replay(self, command: AdmitCommand, now_us: int) -> Replayed | Denied | None:
        attempt, live = command.attempt, self.live.get(command.request_id)
        ended = self._remembered(command.request_id, now_us)
        refusals = self._refusals(command.request_id, now_us)
        known = [*ended, *([live] if live else [])]
        if live and live.digest == command.digest and live.attempt == attempt:
            return Replayed(live)
        if any(hold.digest != command.digest for hold in known):
            return Denied(Reason.REQUEST_ID_REUSED)
        general = [refusal for refusal in refusals if not refusal.call]
        highest = max([0, *(hold.attempt for hold in known), *(one.attempt for one in general)])
        if attempt < highest or live:
            return Denied(Reason.ATTEMPT_SUPERSEDED)
        same = [hold for hold in ended if hold.attempt == attempt]
        if same:
            return Replayed(same[0])
        gave_up = (one.attempt == attempt and one.call in ("", command.call) for one in refusals)
        return Denied(Reason.ATTEMPT_SUPERSEDED) if any(gave_up) else None

    def _open_period(self, proposed: Period, now_us: int) -> bool:
        number = self.open_number
        end_us = self.periods[number].end_us if number else 0
        if number > self.closed and now_us < end_us:
            return True
        if not proposed.contains(now_us) or proposed.start_us < end_us:
            return False
        self.periods[number + 1] = proposed
        return True

    def _open_hour(self, hour: int, now_us: int) -> None:
        if hour in self.hours:
            return
        spare_us = self.timing.max_hold_life_us + self.timing.late_window_us
        for old in sorted(self.hours):
            if (old + 1) * HOUR_US + spare_us <= now_us and not self.number.get(f"h:H{old}", 0):
                self.hours.remove(old)
                self.number.pop(f"s:H{old}", None)
                self.number.pop(f"h:H{old}", None)
        self.hours.add(hour)

    def _end(
        self, hold: ModelHold, state: HoldState, now_us: int, *, cost: int = 0, billed: int = 0
    ) -> None:
        was_live = hold.state is HoldState.ACTIVE
        if billed < hold.billed and hold.period > self.closed:
            # An operator may have given some of it back already.
            billed = max(billed, hold.billed - self._least_settled(hold.period, hold.levels))
            cost = max(cost, billed)
        delta, absorbed = billed - hold.billed, (cost - billed) - (hold.cost - hold.billed)
        included = self._included(hold, delta)
        self._move(hold, settled=delta, held=-hold.held if was_live else 0)
        if hold.period > self.closed:
            self._add(f"inc:{hold.period}", included)
            self._add(f"abs:{hold.period}", absorbed)
        hold.state, hold.cost, hold.billed = state, cost, billed
        hold.included += included
        hold.metered += delta - included
        hold.entries += 1
        hold.bucket = self._bury(now_us)
        if was_live:
            del self.live[hold.request]
            self.ended.setdefault(hold.request, []).append(hold)

    def _included(self, hold: ModelHold, delta: int) -> int:
        if delta < 0:
            back = min(hold.metered, -delta)
            if hold.period > self.closed:
                used = self.number.get(f"inc:{hold.period}", 0)
                metered = self.number.get(f"s:{hold.period}:a", 0) - used
                back = max(0, min(back, metered), -delta - used)
            return delta + back
        if not hold.is_metered:
            return delta
        return min(delta, max(0, hold.credit - self.number.get(f"inc:{hold.period}", 0)))

    def _move(self, hold: ModelHold, *, settled: int, held: int) -> None:
        for level in hold.levels:
            if self._counts(hold, level):
                name = counter_name("s", level, hold.period, hold.hour)
                self._add(name, settled)
                self._add(counter_name("h", level, hold.period, hold.hour), held)
                if level == "H":  # it may have begun anew, after a clock was set back
                    self.number[name] = max(0, self.number[name])

    def _counts(self, hold: ModelHold, level: str) -> bool:
        return hold.hour in self.hours if level == "H" else hold.period > self.closed

    def _add(self, name: str, amount: int) -> None:
        self.number[name] = self.number.get(name, 0) + amount

    def _bucket(self, now_us: int) -> int:
        return max(self.top_bucket, now_us // self.timing.replay_window_us)

    def _bury(self, now_us: int) -> int:
        self.top_bucket = self._bucket(now_us)
        return self.top_bucket

    def _remembered(self, request: str, now_us: int) -> list[ModelHold]:
        oldest = self._bucket(now_us) - 1
        return [hold for hold in self.ended.get(request, ()) if hold.bucket >= oldest]

    def _refusals(self, request: str, now_us: int) -> list[Refused]:
        oldest = self._bucket(now_us) - 1
        return [refusal for refusal in self.refused.get(request, ()) if refusal.bucket >= oldest]
