"""How long the store remembers, and how much may wait: the same for all servers of a store."""

from dataclasses import dataclass
from typing import Final

from fluxrouter_server.store.keys import USUAL_LAYOUT

__all__ = ["HoldTiming"]

_HOUR_US: Final = 3_600_000_000
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class HoldTiming:
    """Spans in µs.

    Attributes:
        replay_window_us: An ended request is remembered at least this long and at most twice.
        max_hold_life_us: A hold lives at most this long, extensions included.
        late_window_us: After the life of its last hold a period takes corrections for so long.
        most_backlog_entries: So many entries in a shard's ledger stream stop admission there, well
            before memory is full: settlements must always fit.
        most_lag_ms: Admission stops in a shard, too, while its oldest entry has waited longer, so
            that a total loss of the store costs no more than that; 0 is no bound.
    """

    replay_window_us: int = _HOUR_US
    max_hold_life_us: int = _HOUR_US
    late_window_us: int = _HOUR_US
    most_backlog_entries: int = 1_000_000
    most_lag_ms: int = 0

    @property
    def layout(self) -> str:
        """What a shard's record says of the layout: two servers that differ in a span differ here.

        Every script compares it, so that no server decides by other spans than the rest.
        """
        spans_us = (self.replay_window_us, self.max_hold_life_us, self.late_window_us)
        if spans_us == (_HOUR_US, _HOUR_US, _HOUR_US):
            return USUAL_LAYOUT
        return "/".join([USUAL_LAYOUT, *(str(span_us // _SECOND_US) for span_us in spans_us)])
