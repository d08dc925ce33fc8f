"""The providers that answer, as the edge sees them: where they are, how to call them, health."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from fluxrouter_server.domain.catalog import UpstreamEndpoint
from fluxrouter_server.domain.ids import ModelId

__all__ = [
    "Health",
    "Upstream",
    "UpstreamAnswer",
    "UpstreamBroken",
    "UpstreamCalls",
    "UpstreamDirectory",
]

#: So many failures in a row, and an upstream is left alone for a while.
_MOST_FAILURES: Final = 5
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider.

    Attributes:
        name: As the catalog's models name it.
        base_url: What the protocols' paths are appended to, without a slash at its end.
        secret: The credential that it takes; empty for none.
        timeout_seconds: How long a whole answer may take.
        endpoints: Where it listens, if not at its base URL alone.
    """

    name: str
    base_url: str
    secret: str = field(default="", repr=False)
    timeout_seconds: float = 600.0
    endpoints: tuple[UpstreamEndpoint, ...] = ()


class UpstreamBroken(Exception):
    """The upstream could not be reached, or its answer broke off."""


class UpstreamAnswer(Protocol):
    """An answer whose head has come.

    Attributes:
        status: HTTP's.
        headers: By name in lower case, the last one of each.
        is_from_upstream: Whether the upstream itself answered, and not what stands before it.
    """

    status: int
    headers: Mapping[str, str]
    is_from_upstream: bool

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raises UpstreamBroken where it breaks off."""
        ...

    async def close(self) -> None:
        """Give up what is left of it."""
        ...


class UpstreamCalls(Protocol):
    """Calls upstreams, for as long as the caller's own request lives."""

    async def post(
        self, upstream: Upstream, path: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> UpstreamAnswer:
        """Send a request; raises UpstreamBroken."""
        ...


class UpstreamDirectory(Protocol):
    """Knows the upstreams of the catalog in force."""

    def find(self, name: str) -> Upstream | None:
        """Return the upstream of that name; None where it is not configured."""
        ...

    def models_without(self, usable: Callable[[str], bool]) -> frozenset[ModelId]:
        """Return the models whose upstream is not configured, or not `usable`."""
        ...


@dataclass(slots=True)
class _Record:
    failures: int = 0
    pause_seconds: float = _FIRST_PAUSE_SECONDS
    until: float = 0.0


class Health:
    """Leaves upstreams alone that fail again and again, and tries them again after a pause.

    Args:
        monotonic: Returns seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._records: dict[str, _Record] = {}

    def is_usable(self, name: str) -> bool:
        """Whether an upstream may be called; after its pause one call tries it."""
        record = self._records.get(name)
        return record is None or record.until <= self._monotonic()

    def succeeded(self, name: str) -> None:
        """Note that it answered."""
        self._records.pop(name, None)

    def failed(self, name: str) -> None:
        """Note that it could not be reached, or could not answer."""
        record = self._records.setdefault(name, _Record())
        record.failures += 1
        if record.failures >= _MOST_FAILURES:
            record.until = self._monotonic() + record.pause_seconds
            record.pause_seconds = min(2 * record.pause_seconds, _LONGEST_PAUSE_SECONDS)
