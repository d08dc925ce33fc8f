"""OpenAI's chat completions: what nearly every client and nearly every model speaks.

https://platform.openai.com/docs/api-reference/chat/create has the fields. Features whose price is
not in a rate card, or that need what the provider keeps for all of us, are refused.
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
from fluxrouter_server.dialects.error_bodies import event, openai_error
from fluxrouter_server.dialects.event_stream import ServerSentEvent
from fluxrouter_server.dialects.fields import (
    Body,
    data_url_bytes,
    has_functions,
    objects,
    read_flag,
    read_list,
    read_model,
    read_tokens,
    refuse_fields,
    refuse_other_prices,
    texts_of,
    whole_number,
)
from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.refusals import Refusal, bad_request
from fluxrouter_server.domain.catalog import Capability, Protocol
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.requests import MAX_CHOICES

__all__ = ["ChatCompletions", "ChatMeter", "chat_usage"]

_NOT_SERVED: Final[Mapping[str, str]] = {
    "audio": "answers in sound have no price here; leave it out",
    "store": "answers are not kept here; leave it out",
    "web_search_options": "searches have no price here; leave it out",
}
_TEXT: Final = "text"


class ChatCompletions:
    """`POST /v1/chat/completions`."""

    protocol = Protocol.CHAT_COMPLETIONS
    upstream_path = "/chat/completions"

    def read(self, body: Body) -> Asked:
        """Return what is asked for; raises Refused."""
        refuse_fields(body, _NOT_SERVED)
        refuse_other_prices(body)
        _refuse_other_media(body)
        messages = list(objects(read_list(body, "messages"), "messages"))
        if not messages:
            raise bad_request("messages: give at least one", param="messages")
        images = list(_image_urls(messages))
        wishes = [read_tokens(body, name) for name in ("max_tokens", "max_completion_tokens")]
        options = body.get("stream_options")
        is_stream = read_flag(body, "stream")
        return Asked(
            model=read_model(body),
            text=judged(text for m in messages for text in _user_texts(m)),
            images=len(images),
            image_bytes=sum(map(data_url_bytes, images)),
            max_output_tokens=min((wish for wish in wishes if wish is not None), default=None),
            choices=whole_number(body, "n", low=1, high=MAX_CHOICES) or 1,
            capabilities=frozenset(_capabilities(body)),
            is_stream=is_stream,
            wants_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        )

    def rewritten(
        self, body: Body, asked: Asked, *, upstream_model: str, output_tokens: int
    ) -> dict[str, Any]:
        """Return the body for the upstream; the limit stays in the field that the caller used."""
        sent = {**body, "model": upstream_model}
        named = [name for name in ("max_tokens", "max_completion_tokens") if sent.get(name)]
        for name in named or ["max_completion_tokens"]:
            sent[name] = output_tokens
        if asked.is_stream:
            options = body.get("stream_options")
            kept = options if isinstance(options, dict) else {}
            sent["stream_options"] = {**kept, "include_usage": True}
        return sent

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        """Return what a whole answer says that it used."""
        return chat_usage(answer.get("usage"))

    def output_bytes(self, answer: Mapping[str, Any]) -> int:
        """Return the bytes of all choices' output."""
        return sum(_bytes_of(choice.get("message")) for choice in _choices(answer))

    def meter(self, asked: Asked) -> "ChatMeter":
        """Return what reads along; the usage's own event is hidden from who did not ask for it."""
        return ChatMeter(hides_usage=not asked.wants_usage)

    def error_body(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002 - in a header
        """Return OpenAI's shape."""
        return to_json(openai_error(refusal))

    def error_event(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002 - in a header
        """Return the event at which OpenAI's clients raise."""
        return event("", openai_error(refusal))


class ChatMeter(StreamMeter):
    """Reads along in a stream of `chat.completion.chunk`."""

    def __init__(self, *, hides_usage: bool) -> None:
        super().__init__()
        self._hides_usage = hides_usage

    def see(self, event: ServerSentEvent) -> bool:
        """Take the next event; return whether the caller is to have it."""
        chunk = event.json()
        if chunk is None:
            return True
        self.failure = self.failure or failure_in(chunk)
        if self.failure:
            return False
        choices = _choices(chunk)
        for choice in choices:
            self.count(_bytes_of(choice.get("delta")))
        used = chunk.get("usage")
        if used is None:
            return True
        self.usage = chat_usage(used) or self.usage
        return bool(choices) or not self._hides_usage


def chat_usage(used: object) -> Usage | None:
    """Return a `usage` object as tokens without overlap.

    Output is what the total has beyond the prompt, where that is more than `completion_tokens`:
    some providers count reasoning in the total only, and bill it.
    """
    if not isinstance(used, dict):
        return None
    prompt, completion, total = (
        used.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    if not isinstance(prompt, int):
        return None
    details, thought = (
        value if isinstance(value := used.get(name), dict) else {}
        for name in ("prompt_tokens_details", "completion_tokens_details")
    )
    cached = details.get("cached_tokens") or used.get("prompt_cache_hit_tokens") or 0
    written = details.get("cache_write_tokens") or 0
    if not isinstance(cached, int) or not isinstance(written, int):
        return None
    if isinstance(total, int) and isinstance(completion, int):
        completion = max(completion, total - prompt)
    return usage_of(
        fresh=prompt - cached - written,
        cached=cached,
        written=written,
        output=completion,
        reasoning=thought.get("reasoning_tokens"),
    )


def _refuse_other_media(body: Body) -> None:
    modalities = body.get("modalities")
    if modalities is not None and modalities != [_TEXT]:
        raise bad_request(
            "modalities: answers are text only; leave it out",
            param="modalities",
            code="unsupported_parameter",
        )


def _capabilities(body: Body) -> Iterator[Capability]:
    if has_functions(body) or body.get("functions"):
        yield Capability.TOOLS
    wanted = body.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") not in (None, _TEXT):
        yield Capability.JSON


def _user_texts(message: Mapping[str, Any]) -> Iterator[str]:
    if message.get("role") == "user":
        yield from texts_of(message.get("content"), _TEXT)


def _image_urls(messages: list[dict[str, Any]]) -> Iterator[object]:
    """Yield where each image is; raises Refused for files that the provider keeps."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "image_url":
                image = part.get("image_url")
                yield image.get("url") if isinstance(image, dict) else image
            elif kind == "file" and not _has_data(part.get("file")):
                raise bad_request("messages: files must come with their data", param="messages")


def _has_data(file: object) -> bool:
    return isinstance(file, dict) and isinstance(file.get("file_data"), str)


def _choices(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices")
    return [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []


def _bytes_of(message: object) -> int:
    """The bytes of whatever in a message or a delta is output."""
    if not isinstance(message, dict):
        return 0
    said = ("content", "reasoning_content", "reasoning", "refusal")
    size = sum(utf8_bytes(message.get(name)) for name in said)
    calls = message.get("tool_calls") or message.get("function_call")
    return size + (len(to_json(calls)) if calls else 0)
