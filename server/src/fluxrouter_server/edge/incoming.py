"""One request of a caller, read."""

from dataclasses import dataclass, field

from fluxrouter_server.domain.ids import ModelId, RequestId
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.edge.dialects import Asked, Dialect
from fluxrouter_server.edge.fields import Body
from fluxrouter_server.services.callers import AccountRef

__all__ = ["Incoming"]


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the edge works on.

    Attributes:
        dialect: The protocol that it came in.
        asked: What it asks for.
        body: All of it.
        size_bytes: Bytes of it that can become input tokens: all but its images.
        fingerprint: Tells its content from any other.
        account: Who pays, by the API key that came with it.
        request_id: The caller's `Idempotency-Key`, else one of our own.
        passed_headers: What of its headers the upstream is to see.
    """

    dialect: Dialect
    asked: Asked
    body: Body = field(repr=False)
    size_bytes: int
    fingerprint: str
    account: AccountRef
    request_id: RequestId
    passed_headers: tuple[tuple[str, str], ...] = ()

    def query(self, attempt: int, avoid: frozenset[ModelId]) -> RouteQuery:
        """Return what is to be routed."""
        asked = self.asked
        return RouteQuery(
            model=asked.model,
            request_id=self.request_id,
            attempt=attempt,
            text=asked.text,
            images=asked.images,
            max_output_tokens=asked.max_output_tokens,
            choices=asked.choices,
            capabilities=asked.capabilities,
            protocol=self.dialect.protocol,
            size_bytes=self.size_bytes,
            fingerprint=self.fingerprint,
            avoid=avoid,
        )
