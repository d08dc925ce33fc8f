"""What the suite's service needs of a call and our services do not: all metadata, both ways."""

from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["CURRENT", "Conversation"]


@dataclass
class Conversation:
    """One call's metadata.

    Attributes:
        request_headers: As they came.
        timeout_seconds: The caller's deadline; None where it has none.
        headers: To be sent with the answer's beginning.
        trailers: To be sent with its end.
    """

    request_headers: list[tuple[str, str]]
    timeout_seconds: float | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)


#: The conversation of the call that is being served.
CURRENT: ContextVar[Conversation] = ContextVar("conversation")
