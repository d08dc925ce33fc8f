"""Spending as a status shows it, and which thresholds it has crossed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fluxrouter.plain_json import to_json
from fluxrouter.v1 import cap_pb2, kubernetes_pb2

__all__ = ["Crossing", "crossings", "format_usd", "spend_status"]

_NANO_PER_USD: Final = 10**9
_DECIMALS: Final = 9
_CAP: Final = 100
# The last fraction of a cent fits no request, so a cap counts as reached when no more than a
# thousandth of it is left.
_REST_THOUSANDTHS: Final = 1
# Hours pass by themselves; only what stays spent for the month is worth an event.
_MONTHLY: Final = ("budget/", "key/")


@dataclass(frozen=True, slots=True)
class Crossing:
    """A level that has newly reached a percentage of its cap in the month that ends then."""

    level: str
    percent: int
    settled_usd: str
    cap_usd: str
    reset_time: str

    @property
    def is_cap(self) -> bool:
        """Whether it is the cap itself."""
        return self.percent == _CAP


def spend_status(
    spend: cap_pb2.Spend, before: Mapping[str, Any], percents: Sequence[int]
) -> kubernetes_pb2.SpendStatus:
    """Return a reading of the server as a status has it.

    Args:
        spend: the reading.
        before: `status.spend` as it is in the cluster; what was announced this month stays so.
        percents: the thresholds of the plan, ascending.
    """
    status = kubernetes_pb2.SpendStatus(
        cap_usd=format_usd(spend.cap_nano_usd),
        settled_usd=format_usd(spend.settled_nano_usd),
        held_usd=format_usd(spend.held_nano_usd),
        remaining_usd=format_usd(spend.headroom_nano_usd),
        absorbed_usd=format_usd(spend.absorbed_nano_usd),
        period_start_time=spend.period_start_time,
        reset_time=spend.period_end_time,
        levels=[_level_status(level) for level in spend.levels if _is_shown(level)],
    )
    announced = _announced(before) if _same_month(to_json(status), before) else {}
    settled = {level.level: level for level in spend.levels}
    for entry in status.levels:
        percent = _reached(settled[entry.level], percents)
        entry.announced_percent = max(percent, announced.get(entry.level, 0))
    month = cap_pb2.LevelSpend(
        cap_nano_usd=spend.cap_nano_usd, settled_nano_usd=spend.settled_nano_usd
    )
    status.announced_percent = max(_reached(month, percents), announced.get("account", 0))
    return status


def crossings(after: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Crossing]:
    """Yield what `status.spend` announces that the one before it did not.

    A level that passed several thresholds at once is announced once, at the highest.
    """
    earlier = _announced(before) if _same_month(after, before) else {}
    levels = {"account": after, **{level["level"]: level for level in after.get("levels", ())}}
    for level, percent in _announced(after).items():
        if percent > earlier.get(level, 0):
            figures = levels[level]
            yield Crossing(
                level, percent, figures["settledUsd"], figures["capUsd"], after["resetTime"]
            )


def format_usd(nano_usd: int) -> str:
    """Return the exact decimal string of an amount, with at least two decimals."""
    whole, decimals = divmod(abs(nano_usd), _NANO_PER_USD)
    shown = f"{decimals:0{_DECIMALS}}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano_usd < 0 else ''}{whole}.{shown}"


def _level_status(level: cap_pb2.LevelSpend) -> kubernetes_pb2.LevelStatus:
    return kubernetes_pb2.LevelStatus(
        level=level.level,
        cap_usd=format_usd(level.cap_nano_usd),
        settled_usd=format_usd(level.settled_nano_usd),
        held_usd=format_usd(level.held_nano_usd),
        remaining_usd=format_usd(level.headroom_nano_usd),
    )


def _is_shown(level: cap_pb2.LevelSpend) -> bool:
    return level.HasField("cap_nano_usd") and level.level.startswith(_MONTHLY)


def _reached(level: cap_pb2.LevelSpend, percents: Sequence[int]) -> int:
    """The highest threshold that the level's settled amount has reached; 0 for none."""
    cap, settled = level.cap_nano_usd, level.settled_nano_usd
    if not cap or not settled:
        return 0
    at_cap = (cap - settled) * 1000 <= cap * _REST_THOUSANDTHS
    return max(
        (
            percent
            for percent in percents
            if settled * _CAP >= cap * percent or (percent == _CAP and at_cap)
        ),
        default=0,
    )


def _same_month(after: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    return bool(before) and before.get("periodStartTime") == after.get("periodStartTime")


def _announced(before: Mapping[str, Any]) -> dict[str, int]:
    levels = before.get("levels", ())
    return {
        "account": before.get("announcedPercent", 0),
        **{level["level"]: level.get("announcedPercent", 0) for level in levels},
    }
