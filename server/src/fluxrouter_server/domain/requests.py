"""What a caller asks to be routed, and what makes two requests the same."""

from collections.abc import Mapping, Sequence
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
_ENCODING = b"fluxrouter-req-1"


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
        # Every request pays for this: tuples, because a generator for each check takes longer.
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
    a retry may come with the rotated secret. Texts carry their lengths, and None, a number and a
    text never look alike, so no two requests have the same encoding.
    """
    labels = [text for pair in sorted(query.labels.items()) for text in pair]
    encoding = (
        f"{_text(uid)}{_optional(key)}{_text(query.request_id)}{_text(query.model)}"
        f"{_optional(query.input_tokens)}{_text(query.text)}{_text(str(query.images))}"
        f"{_optional(query.max_output_tokens)}{_text(str(query.choices))}"
        f"{_list(sorted(query.capabilities))}{_optional(query.protocol)}{_list(labels)}"
        f"{_optional(query.tier)}{_content(query)}"
    )
    # JSON can smuggle half a surrogate pair into a text; it must not crash the request.
    data = encoding.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=DIGEST_BYTES, person=_ENCODING).digest()


def _content(query: RouteQuery) -> str:
    """Nothing where nothing is given: such requests keep the digest that they always had."""
    if query.size_bytes is None and not query.fingerprint:
        return ""
    return f"{_optional(query.size_bytes)}{_text(query.fingerprint)}"


def _text(text: str) -> str:
    return f"{len(text)}:{text},"


def _optional(value: str | int | None) -> str:
    return "~" if value is None else _text(str(value))


def _list(texts: Sequence[str]) -> str:
    return f"{len(texts)}[{''.join([_text(text) for text in texts])}"


def _is_printable_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()
