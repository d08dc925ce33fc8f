"""One request of a caller, read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from fluxrouter_server.dialects.dialect import Asked, Dialect
from fluxrouter_server.dialects.endpoints import ANTHROPIC
from fluxrouter_server.dialects.fields import Body
from fluxrouter_server.dialects.json_body import parse_object
from fluxrouter_server.dialects.refusals import bad_request
from fluxrouter_server.domain.ids import ModelId, RequestId
from fluxrouter_server.domain.requests import MAX_REQUEST_ID_CHARACTERS, RouteQuery
from fluxrouter_server.services.callers import AccountRef

__all__ = ["Incoming", "read_incoming", "request_id_of", "secret_of"]

#: What Anthropic's clients say about themselves that changes the answer.
_PASSED_HEADERS: Final = ("anthropic-version", "anthropic-beta")
_DEFAULT_VERSION: Final = ("anthropic-version", "2023-06-01")
_BEARER: Final = "bearer "


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


def read_incoming(
    path: str,
    dialect: Dialect,
    data: bytes,
    headers: Mapping[str, str],
    *,
    account: AccountRef,
    made: str,
) -> Incoming:
    """Return the request.

    Args:
        path: Where it was sent.
        dialect: What is spoken there.
        data: Its body.
        headers: By name in lower case.
        account: Who pays.
        made: Its id where the caller gave none.

    Raises:
        Refused: it cannot be served.
    """
    request_id = request_id_of(headers, made)
    body = parse_object(data)
    asked = dialect.read(body)
    passed = [(name, headers[name]) for name in _PASSED_HEADERS if name in headers]
    if path.startswith(ANTHROPIC) and _DEFAULT_VERSION[0] not in headers:
        passed.append(_DEFAULT_VERSION)
    return Incoming(
        dialect=dialect,
        asked=asked,
        body=body,
        size_bytes=max(0, len(data) - asked.image_bytes),
        fingerprint=_fingerprint(path, data),
        account=account,
        request_id=request_id,
        passed_headers=tuple(passed) if path.startswith(ANTHROPIC) else (),
    )


def secret_of(headers: Mapping[str, str]) -> str | None:
    """Return the API key, of OpenAI's clients or of Anthropic's."""
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key")
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return authorization


def request_id_of(headers: Mapping[str, str], made: str) -> RequestId:
    """Return the caller's `Idempotency-Key`, else the id that was made; raises Refused."""
    key = headers.get("idempotency-key")
    if key is None:
        return RequestId(made)
    if not (1 <= len(key) <= MAX_REQUEST_ID_CHARACTERS and key.isascii() and key.isprintable()):
        raise bad_request(
            f"idempotency-key: use 1 to {MAX_REQUEST_ID_CHARACTERS} printable ASCII characters"
        )
    return RequestId(key)


def _fingerprint(path: str, body: bytes) -> str:
    """Return what tells a request from any other, in 32 hexadecimal digits."""
    return blake2b(path.encode("utf-8", "replace") + b"\0" + body, digest_size=16).hexdigest()
