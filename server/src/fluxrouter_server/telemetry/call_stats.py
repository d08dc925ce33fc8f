"""Counts the calls of one method with plain integers, because every call pays for it.

Nothing is locked: calls end on the event loop, and the loop is where a scrape reads, too.
"""

from bisect import bisect_left
from typing import Final

__all__ = ["BUCKET_BOUNDS_SECONDS", "CallStats"]

#: From a cached refusal to a call that hangs; most decisions fall between 0.5 and 10 ms.
BUCKET_BOUNDS_SECONDS: Final = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)
_STATUS_CODES: Final = 17  # of gRPC: 0 to 16


class CallStats:
    """What became of the calls of one method.

    Attributes:
        method: `service/method`.
        ended: Calls by status code, by the code's number.
        buckets: Calls by duration: one count for each bound, and one for what is longer.
        seconds: Sum of the durations.
        in_flight: Calls that have begun and not ended.
    """

    __slots__ = ("buckets", "ended", "in_flight", "method", "seconds")

    def __init__(self, method: str) -> None:
        self.method = method
        self.ended = [0] * _STATUS_CODES
        self.buckets = [0] * (len(BUCKET_BOUNDS_SECONDS) + 1)
        self.seconds = 0.0
        self.in_flight = 0

    def end(self, code: int, seconds: float) -> None:
        """Counts a call that had begun (`in_flight` was raised) and ends now."""
        self.in_flight -= 1
        self.ended[code] += 1
        self.buckets[bisect_left(BUCKET_BOUNDS_SECONDS, seconds)] += 1
        self.seconds += seconds
