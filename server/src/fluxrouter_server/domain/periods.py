"""Billing months: from an anchor day in a time zone, as half-open spans of absolute time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Period:
    """`[start_us, end_us)`, µs since 1970 UTC."""

    start_us: int
    end_us: int

    def contains(self, now_us: int) -> bool:
        """Whether the instant lies in the period; the end does not."""
        return self.start_us <= now_us < self.end_us
