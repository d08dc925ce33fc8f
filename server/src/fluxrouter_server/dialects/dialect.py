"""What an API protocol must tell the edge. Requests are never translated from one into another."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fluxrouter_server.dialects.event_stream import ServerSentEvent
from fluxrouter_server.dialects.fields import Body
from fluxrouter_server.dialects.refusals import Refusal
from fluxrouter_server.domain.catalog import Capability
from fluxrouter_server.domain.catalog import Protocol as ApiProtocol
from fluxrouter_server.domain.pricing import MAX_TOKENS, Usage
from fluxrouter_server.routing.conversation import Turn, text_to_judge
from fluxrouter_server.routing.fitness import utf8_length

__all__ = [
    "Asked",
    "Dialect",
    "StreamMeter",
    "failure_in",
    "judged",
    "usage_of",
    "utf8_bytes",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, as far as it matters to its price and its model.

    Attributes:
        model: Model or alias.
        text: What the tier is chosen by.
        images: How many.
        image_bytes: Bytes of the body that are images and nothing else.
        max_output_tokens: The caller's wish for one choice; None where it has none.
        choices: Answers that are asked for.
        capabilities: What the model must be able to do.
        is_stream: Whether the answer comes in events.
        wants_usage: Whether the caller asked for the event with the usage.
    """

    model: str
    text: str = ""
    images: int = 0
    image_bytes: int = 0
    max_output_tokens: int | None = None
    choices: int = 1
    capabilities: frozenset[Capability] = frozenset()
    is_stream: bool = False
    wants_usage: bool = False


class StreamMeter(ABC):
    """Reads along in a stream of events, and adds up what they are worth.

    Attributes:
        usage: What the upstream told of the whole answer; None before.
        input_usage: What it told of the input before the end; None where it does not.
        output_bytes: UTF-8 bytes of output so far.
        deltas: Events with output so far.
        failure: What the upstream said went wrong; empty for nothing.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.input_usage: Usage | None = None
        self.output_bytes = 0
        self.deltas = 0
        self.failure = ""

    @abstractmethod
    def see(self, event: ServerSentEvent) -> bool:
        """Take the next event; return whether the caller is to have it.

        An event that says that the upstream failed is none: the edge says so in its own words.
        """

    def count(self, output_bytes: int) -> None:
        """Add the output of one event."""
        if output_bytes:
            self.output_bytes += output_bytes
            self.deltas += 1


class Dialect(Protocol):
    """One API protocol.

    Attributes:
        protocol: Which.
        upstream_path: Where upstreams serve it, after their base URL.
    """

    @property
    def protocol(self) -> ApiProtocol:
        """Which."""
        ...

    @property
    def upstream_path(self) -> str:
        """Where upstreams serve it, after their base URL."""
        ...

    def read(self, body: Body) -> Asked:
        """Return what is asked for; raises Refused."""
        ...

    def rewritten(
        self, body: Body, asked: Asked, *, upstream_model: str, output_tokens: int
    ) -> dict[str, Any]:
        """Return the body for the upstream, with the granted output for one choice."""
        ...

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        """Return what a whole answer says that it used; None where it does not, or lies."""
        ...

    def output_bytes(self, answer: Mapping[str, Any]) -> int:
        """Return the UTF-8 bytes of a whole answer's output."""
        ...

    def meter(self, asked: Asked) -> StreamMeter:
        """Return what reads along in a streamed answer."""
        ...

    def error_body(self, refusal: Refusal, request_id: str) -> bytes:
        """Return a refusal in the shape that clients of the protocol read."""
        ...

    def error_event(self, refusal: Refusal, request_id: str) -> bytes:
        """Return a refusal as the last event of a stream that has begun."""
        ...


def judged(user_texts: Iterable[str]) -> str:
    """Return what the tier is chosen by, from each text that a user said, in order."""
    return text_to_judge([Turn("user", text) for text in user_texts])


def failure_in(answer: Mapping[str, Any]) -> str:
    """Return what an answer says went wrong, short; empty for nothing."""
    error = answer.get("error")
    if not error:
        return ""
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or "it answered with an error")[:200]


def utf8_bytes(text: object) -> int:
    """Return the bytes of a text in UTF-8; 0 for what is none."""
    return utf8_length(text) if isinstance(text, str) else 0


def usage_of(
    *, fresh: object, cached: object = 0, written: object = 0, output: object, reasoning: object = 0
) -> Usage | None:
    """Return a usage of numbers that an upstream told, or None where they cannot be.

    `fresh`, `cached` and `written` are input tokens without overlap; absent details count as 0.
    """
    numbers = [0 if value is None else value for value in (fresh, cached, written, output)]
    whole = [n for n in numbers if isinstance(n, int) and not isinstance(n, bool)]
    if len(whole) != len(numbers) or not all(0 <= n <= MAX_TOKENS for n in whole):
        return None
    thought = reasoning if isinstance(reasoning, int) and 0 <= reasoning <= whole[3] else 0
    return Usage(whole[0], whole[1], whole[2], whole[3], thought)
