"""Failures that are nobody's decision, as the use cases see them.

::

    StoreError
    ├── StoreUnavailable   no answer in time, fenced, or it keeps changing
    └── StoreRefused       the store can't be used as it is set up (layout, policy, clock)
"""


class StoreError(Exception):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """No decision was had. `outcome_unknown` tells that it may have been made all the same.

    The message is for operators; `for_callers` is what anybody may be told, empty for the usual.
    """

    def __init__(
        self,
        message: str,
        *,
        outcome_unknown: bool,
        retry_after_us: int = 1_000_000,
        for_callers: str = "",
    ) -> None:
        """Keep whether the call may have taken effect, and when a retry is worth it."""
        super().__init__(message)
        self.for_callers = for_callers
        self.outcome_unknown = outcome_unknown
        self.retry_after_us = retry_after_us


class StoreRefused(StoreError):
    """The store must not be used as it is; the message says how to mend it."""
