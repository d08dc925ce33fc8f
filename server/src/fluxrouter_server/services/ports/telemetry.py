"""What the use cases count and measure, without knowing where it goes."""

from enum import StrEnum
from typing import Protocol


class Counter(StrEnum):
    """Things that are counted; the comment says what the label holds where there is one."""

    ADMITTED = "admitted"  # the lane
    REPLAYED = "replayed"
    DENIED = "denied"  # the reason
    WOULD_DENY = "would_deny"  # the reason, under `observe`
    TIER_CHOSEN = "tier_chosen"  # the tier
    SHADOW_CHOICE = "shadow_choice"  # what was chosen and what the shadow would: `fast/standard`
    STALE = "stale"  # decisions repeated because a document had changed
    ENDED_HOLDS = "ended_holds"  # the state
    BILLED_NANO_USD = "billed_nano_usd"
    ABSORBED_NANO_USD = "absorbed_nano_usd"
    UNKNOWN_OUTCOMES = "unknown_outcomes"
    UNKNOWN_OUTCOMES_CLEARED = "unknown_outcomes_cleared"
    UNKNOWN_OUTCOMES_DROPPED = "unknown_outcomes_dropped"
    SWEPT_HOLDS = "swept_holds"  # the state
    SWEEP_FAILURES = "sweep_failures"
    FINISHED_FAN_OUTS = "finished_fan_outs"
    EDGE_ANSWERS = "edge_answers"  # the HTTP status; 499: the caller left
    UPSTREAM_FAILURES = "upstream_failures"  # the upstream


class Measure(StrEnum):
    """Things that are measured."""

    SWEEP_SECONDS = "sweep_seconds"


class Telemetry(Protocol):
    """Takes counts and observations. It never fails and never waits."""

    def count(self, counter: Counter, amount: int = 1, *, label: str = "") -> None:
        """Add to a counter. Labels are from small closed sets, never names of accounts or keys."""
        ...

    def observe(self, measure: Measure, value: float) -> None:
        """Add one observation."""
        ...
