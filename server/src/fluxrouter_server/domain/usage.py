"""What an account has used: sums over ledger entries, grouped the ways that people ask for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from fluxrouter_server.domain.ids import KeyName, LaneId, ModelId
from fluxrouter_server.domain.ledger import NO_USAGE, Funds
from fluxrouter_server.domain.periods import Period, load_zone
from fluxrouter_server.domain.pricing import Usage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class GroupBy(StrEnum):
    """By what usage is grouped."""

    MODEL = "model"
    LANE = "lane"
    KEY = "key"
    LABEL = "label"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class UsageSums:
    """Requests with reported usage, their tokens, and all that was charged or not."""

    requests: int = 0
    usage: Usage = NO_USAGE
    funds: Funds = Funds()

    def __add__(self, other: "UsageSums") -> "UsageSums":
        """The sums of both."""
        mine, theirs = self.usage, other.usage
        funds, more = self.funds, other.funds
        return UsageSums(
            self.requests + other.requests,
            Usage(
                mine.input_tokens + theirs.input_tokens,
                mine.cached_input_tokens + theirs.cached_input_tokens,
                mine.cache_write_tokens + theirs.cache_write_tokens,
                mine.output_tokens + theirs.output_tokens,
                mine.reasoning_tokens + theirs.reasoning_tokens,
            ),
            Funds(
                funds.cost_nano_usd + more.cost_nano_usd,
                funds.billed_nano_usd + more.billed_nano_usd,
                funds.absorbed_nano_usd + more.absorbed_nano_usd,
                funds.included_nano_usd + more.included_nano_usd,
                funds.metered_nano_usd + more.metered_nano_usd,
                funds.credit_nano_usd + more.credit_nano_usd,
            ),
        )


NOTHING_USED = UsageSums()


@dataclass(frozen=True, slots=True)
class UsageSlice:
    """The sums of what was served by one model, for one key and one set of labels."""

    model: ModelId
    lane: LaneId
    key: KeyName
    labels: Mapping[str, str]
    sums: UsageSums


@dataclass(frozen=True, slots=True)
class UsageMoment:
    """The sums of a short while that lies in one day of every time zone."""

    start_us: int
    sums: UsageSums


@dataclass(frozen=True, slots=True)
class LedgerUsage:
    """The same sums twice: cut by what was served, and by when."""

    slices: tuple[UsageSlice, ...]
    moments: tuple[UsageMoment, ...]


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """The sums of one value of what was grouped by."""

    by: GroupBy
    value: str
    sums: UsageSums


def total(used: LedgerUsage) -> UsageSums:
    """Everything together."""
    return sum((part.sums for part in used.slices), NOTHING_USED)


def groups(used: LedgerUsage, by: GroupBy, *, zone: str) -> Sequence[UsageGroup]:
    """Return the sums by group: days in their order, others by cost, the largest first.

    A request with several labels counts in each, one without any in none.

    Raises:
        ZoneError: no time zone has that name.
    """
    if by is GroupBy.DAY:
        days = ((_day(moment.start_us, zone), moment.sums) for moment in used.moments)
        return [UsageGroup(by, day, sums) for day, sums in sorted(_add_up(days).items())]
    values = _VALUES[by]
    found = ((value, part.sums) for part in used.slices for value in values(part))
    return sorted(
        (UsageGroup(by, value, sums) for value, sums in _add_up(found).items()),
        key=lambda group: (-group.sums.funds.cost_nano_usd, group.value),
    )


def projected_nano_usd(billed_nano_usd: int, period: Period, now_us: int, cap_nano_usd: int) -> int:
    """Return what a period would come to at its average pace until now, at most the cap.

    What was billed already is the least, whatever the cap is today.
    """
    elapsed_us = min(max(1, now_us - period.start_us), period.end_us - period.start_us)
    at_pace = billed_nano_usd * (period.end_us - period.start_us) // elapsed_us
    return max(billed_nano_usd, min(at_pace, cap_nano_usd))


_VALUES: Mapping[GroupBy, Callable[[UsageSlice], Iterable[str]]] = {
    GroupBy.MODEL: lambda part: (part.model,),
    GroupBy.LANE: lambda part: (part.lane,),
    GroupBy.KEY: lambda part: (part.key,),
    GroupBy.LABEL: lambda part: [f"{name}={value}" for name, value in part.labels.items()],
}


def _add_up(found: Iterable[tuple[str, UsageSums]]) -> dict[str, UsageSums]:
    sums: dict[str, UsageSums] = {}
    for value, part in found:
        known = sums.get(value)
        sums[value] = part if known is None else known + part
    return sums


def _day(instant_us: int, zone: str) -> str:
    moment = _EPOCH + timedelta(microseconds=instant_us)
    return moment.astimezone(load_zone(zone)).date().isoformat()
