"""What a caller asks to be routed, and what makes two requests the same."""

from collections.abc import Mapping
from dataclasses import field
from hashlib import blake2b

from fluxrouter_server.domain.catalog import Capability, Protocol, Tier
from fluxrouter_server.domain.checks import are_labels, in_range
from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.hold_ids import MAX_ATTEMPT
from fluxrouter_server.domain.ids import AccountUid, KeyName, ModelId, RequestId
from fluxrouter_server.domain.names import shown
from fluxrouter_server.domain.pricing import MAX_TOKENS
from fluxrouter_server.domain.values import per_call_value

MAX_REQUEST_ID_CHARACTERS = 128
MAX_MODEL_CHARACTERS = 256
MAX_CHOICES = 128
# More than any provider takes; it bounds the product with a model's `image_tokens`.
MAX_IMAGES = 10_000
_OUTPUT_REMEDY = f"1 to {MAX_TOKENS} for all choices together, or leave it out"

DIGEST_BYTES = 16
# Part of every digest: another encoding of requests gets another one, so that digests of two
# versions of this server differ rather than agree by chance.
_ENCODING = b"fluxrouter-req-2"


@per_call_value
class RouteQuery:
    """A request to be routed; the account and key that it is for are found out elsewhere.

    `request_id` is empty where the caller gave none. `input_tokens` and `max_output_tokens` are
    None where the caller did not say. `text` is a secret of the caller: never logged or stored.

    Where the request itself is at hand, and not only its text, `size_bytes` are the UTF-8 bytes
    that can become input tokens, in place of those of `text`, and `fingerprint` tells its content
    from any other. `avoid` are models that must not serve this attempt, such as one whose upstream
    just failed; like the attempt they do not make it another request.
    """

    model: str
    request_id: RequestId = RequestId("")
    attempt: int = 1
    input_tokens: int | None = None
    text: str = field(default="", repr=False)
    images: int = 0
    max_output_tokens: int | None = None
    choices: int = 1
    capabilities: frozenset[Capability] = frozenset()
    protocol: Protocol | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    tier: Tier | None = None
    size_bytes: int | None = None
    fingerprint: str = ""
    avoid: frozenset[ModelId] = frozenset()

    def validate(self) -> tuple[FieldViolation, ...]:
        """Say which fields cannot be; paths are those of `RouteRequest`."""
        # Every request pays for this, and nearly none needs more than one look.
        return () if self._is_plain() else self._violations()

    def _is_plain(self) -> bool:
        """Whether all is well at a glance; what is not may be well all the same."""
        return (
            1 <= len(self.model) <= MAX_MODEL_CHARACTERS
            and len(self.request_id) <= MAX_REQUEST_ID_CHARACTERS
            and _is_printable_ascii(self.request_id)
            and 1 <= self.attempt <= MAX_ATTEMPT
            and (self.input_tokens is None or 0 <= self.input_tokens <= MAX_TOKENS)
            and (self.size_bytes is None or 0 <= self.size_bytes <= MAX_TOKENS)
            and (self.max_output_tokens is None or 1 <= self.max_output_tokens <= MAX_TOKENS)
            and self.images == 0
            and self.choices == 1
            and next(iter(are_labels("labels", self.labels)), None) is None
        )

    def _violations(self) -> tuple[FieldViolation, ...]:
        return (
            *self._model(),
            *self._request_id(),
            *in_range("attempt", self.attempt, low=1, high=MAX_ATTEMPT),
            *in_range("input_tokens", self.input_tokens, low=0, high=MAX_TOKENS),
            *in_range("size_bytes", self.size_bytes, low=0, high=MAX_TOKENS),
            *in_range("images", self.images, low=0, high=MAX_IMAGES),
            *in_range("choices", self.choices, low=1, high=MAX_CHOICES),
            # 0 is refused: several APIs read a limit of 0 as none, so the hold would cover nothing.
            *in_range(
                "max_output_tokens",
                self.max_output_tokens,
                low=1,
                high=MAX_TOKENS // max(1, self.choices),
                remedy=_OUTPUT_REMEDY,
            ),
            *are_labels("labels", self.labels),
        )

    def _model(self) -> tuple[FieldViolation, ...]:
        size = len(self.model)
        if 1 <= size <= MAX_MODEL_CHARACTERS:
            return ()
        remedy = "give a model's id or an alias such as flux-auto"
        return (FieldViolation("model", f"{size} characters; {remedy}"),)

    def _request_id(self) -> tuple[FieldViolation, ...]:
        request_id = self.request_id
        if len(request_id) <= MAX_REQUEST_ID_CHARACTERS and _is_printable_ascii(request_id):
            return ()
        remedy = f"use at most {MAX_REQUEST_ID_CHARACTERS} printable ASCII characters"
        return (FieldViolation("request_id", f"{shown(request_id)} is no request id; {remedy}"),)


def digest(query: RouteQuery, uid: AccountUid, key: KeyName | None) -> bytes:
    """Return 16 bytes that differ when account, key or anything of the request differs.

    The attempt is left out, because a retry is the same request. The key counts by name, so that
    a retry may come with the rotated secret. What is hashed is Python's ASCII form of the values:
    no two requests have the same, half a surrogate pair (which JSON can smuggle into a text) has
    one, and it is written at the speed of C.
    """
    encoding = ascii((
        uid,
        key,
        query.request_id,
        query.model,
        query.input_tokens,
        query.text,
        query.images,
        query.max_output_tokens,
        query.choices,
        sorted([need.value for need in query.capabilities]),
        query.protocol and query.protocol.value,
        sorted(query.labels.items()),
        query.tier and query.tier.value,
        query.size_bytes,
        query.fingerprint,
    ))  # fmt: skip
    return blake2b(encoding.encode(), digest_size=DIGEST_BYTES, person=_ENCODING).digest()


def _is_printable_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()
