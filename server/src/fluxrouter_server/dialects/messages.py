"""Anthropic's messages API, and its count of tokens.

https://docs.anthropic.com/en/api/messages has the fields. Tools that the provider runs have prices
of their own and are refused, as is what it keeps for all of us.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fluxrouter_server.dialects.dialect import (
    Asked,
    StreamMeter,
    failure_in,
    judged,
    usage_of,
    utf8_bytes,
)
from fluxrouter_server.dialects.error_bodies import anthropic_error, event
from fluxrouter_server.dialects.event_stream import ServerSentEvent
from fluxrouter_server.dialects.fields import (
    Body,
    objects,
    read_flag,
    read_list,
    read_model,
    read_tokens,
    refuse_fields,
    texts_of,
)
from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.refusals import Refusal, bad_request
from fluxrouter_server.domain.catalog import Capability, Protocol
from fluxrouter_server.domain.pricing import Usage

__all__ = ["CountTokens", "Messages", "MessagesMeter"]

_NOT_SERVED: Final[Mapping[str, str]] = {
    "container": "containers have no price here; leave it out",
    "mcp_servers": "servers that the provider calls have no price here; leave it out",
}
#: Tools that the caller runs; those of other types are run by the provider, for money.
_CALLERS_TOOLS: Final = ("custom", "bash_", "text_editor_", "computer_", "memory_")


class Messages:
    """`POST /anthropic/v1/messages`."""

    protocol = Protocol.MESSAGES
    upstream_path = "/v1/messages"

    def read(self, body: Body) -> Asked:
        """Return what is asked for; raises Refused."""
        refuse_fields(body, _NOT_SERVED)
        if body.get("service_tier") not in (None, "auto", "standard_only"):
            raise bad_request("service_tier: unknown; leave it out", param="service_tier")
        messages = list(objects(read_list(body, "messages"), "messages"))
        if not messages:
            raise bad_request("messages: give at least one", param="messages")
        images = list(_images(messages))
        tools = list(objects(read_list(body, "tools"), "tools"))
        for index, tool in enumerate(tools):
            if not str(tool.get("type") or "custom").startswith(_CALLERS_TOOLS):
                raise bad_request(
                    f"tools[{index}].type: tools that the provider runs are not served",
                    param="tools",
                )
        return Asked(
            model=read_model(body),
            text=judged(text for m in messages for text in _user_texts(m)),
            images=len(images),
            image_bytes=sum(images),
            max_output_tokens=read_tokens(body, "max_tokens"),
            capabilities=frozenset({Capability.TOOLS} if tools else ()),
            is_stream=read_flag(body, "stream"),
            wants_usage=True,
        )

    def rewritten(
        self,
        body: Body,
        asked: Asked,  # noqa: ARG002 - other dialects need it
        *,
        upstream_model: str,
        output_tokens: int,
    ) -> dict[str, Any]:
        """Return the body for the upstream; the provider's dearer tier is never used."""
        return {
            **body,
            "model": upstream_model,
            "max_tokens": output_tokens,
            "service_tier": "standard_only",
        }

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        """Return what a whole answer says that it used."""
        used = answer.get("usage")
        if not isinstance(used, dict) or not isinstance(used.get("input_tokens"), int):
            return None
        return usage_of(
            fresh=used["input_tokens"],
            cached=used.get("cache_read_input_tokens"),
            written=used.get("cache_creation_input_tokens"),
            output=used.get("output_tokens"),
        )

    def output_bytes(self, answer: Mapping[str, Any]) -> int:
        """Return the bytes of all blocks of the content."""
        content = answer.get("content")
        return sum(map(_bytes_of, content if isinstance(content, list) else ()))

    def meter(self, asked: Asked) -> "MessagesMeter":  # noqa: ARG002 - other dialects need it
        """Return what reads along; every event goes to the caller."""
        return MessagesMeter(self)

    def error_body(self, refusal: Refusal, request_id: str) -> bytes:
        """Return Anthropic's shape."""
        return to_json(anthropic_error(refusal, request_id))

    def error_event(self, refusal: Refusal, request_id: str) -> bytes:
        """Return the event `error` of the API."""
        return event("error", anthropic_error(refusal, request_id))


class CountTokens(Messages):
    """`POST /anthropic/v1/messages/count_tokens`: asked of the upstream, free, and never held."""

    upstream_path = "/v1/messages/count_tokens"

    def rewritten(
        self,
        body: Body,
        asked: Asked,  # noqa: ARG002 - other dialects need it
        *,
        upstream_model: str,
        output_tokens: int,  # noqa: ARG002 - nothing is put out
    ) -> dict[str, Any]:
        """Return the body for the upstream."""
        return {**body, "model": upstream_model}


class MessagesMeter(StreamMeter):
    """Reads along in a stream: the input comes with `message_start`, the output adds up."""

    def __init__(self, dialect: Messages) -> None:
        super().__init__()
        self._dialect = dialect
        self._used: dict[str, Any] = {}

    def see(self, event: ServerSentEvent) -> bool:
        """Take the next event; the caller gets it, unless the upstream says that it failed."""
        value = event.json()
        if value is None:
            return True
        kind = value.get("type")
        if kind == "error":
            self.failure = self.failure or failure_in(value) or "it answered with an error"
            return False
        elif kind == "content_block_delta":
            self.count(_bytes_of(value.get("delta")))
        elif kind == "message_start":
            message = value.get("message")
            self._told(message if isinstance(message, dict) else {})
            self.input_usage = self._dialect.usage({"usage": {**self._used, "output_tokens": 0}})
        elif kind == "message_delta":
            self._told(value)
            self.usage = self._dialect.usage({"usage": self._used}) or self.usage
        return True

    def _told(self, holder: Mapping[str, Any]) -> None:
        used = holder.get("usage")
        if isinstance(used, dict):
            self._used |= {name: number for name, number in used.items() if number is not None}


def _user_texts(message: Mapping[str, Any]) -> Iterator[str]:
    if message.get("role") == "user":
        yield from texts_of(message.get("content"), "text")


def _images(messages: list[dict[str, Any]]) -> Iterator[int]:
    """Yield the bytes of each image; raises Refused for what the provider keeps or fetches."""
    parts: list[object] = [message.get("content") for message in messages]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts.extend(part)
        if not isinstance(part, dict):
            continue
        source = part.get("source")
        kind = source.get("type") if isinstance(source, dict) else None
        is_document = part.get("type") == "document"
        if kind == "file" or (is_document and kind == "url"):
            raise bad_request("messages: files must come with their data", param="messages")
        if part.get("type") == "image" and isinstance(source, dict):
            yield utf8_bytes(source.get("data"))
        parts.append(part.get("content"))  # of a tool's result


def _bytes_of(block: object) -> int:
    if not isinstance(block, dict):
        return 0
    size = sum(utf8_bytes(block.get(name)) for name in ("text", "thinking", "partial_json"))
    return size + (len(to_json(block["input"])) if block.get("input") else 0)
