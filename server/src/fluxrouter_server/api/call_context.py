"""What a servicer knows of a call besides its message."""

from dataclasses import dataclass

from fluxrouter_server.services.callers import Caller

__all__ = ["CallContext"]


@dataclass(slots=True)
class CallContext:
    """One call, as it looks on every transport. Not frozen: one is made for each call.

    Attributes:
        caller: Who calls.
        time_left_us: How long the caller will wait, as of the call's arrival; None: it did not say.
    """

    caller: Caller
    time_left_us: int | None = None
