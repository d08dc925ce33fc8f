"""OpenAI's responses API, without anything that the provider would have to keep.

https://platform.openai.com/docs/api-reference/responses/create has the fields. Upstreams share one
account among all of our callers, so what refers to kept answers, files or prompts is refused, and
`store` is always off.
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
)
from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.refusals import Refusal, bad_request
from fluxrouter_server.domain.catalog import Capability, Protocol
from fluxrouter_server.domain.pricing import Usage

__all__ = ["Responses", "ResponsesMeter"]

_KEPT: Final = "answers are not kept between requests; send the whole input"
_NOT_SERVED: Final[Mapping[str, str]] = {
    "previous_response_id": _KEPT,
    "conversation": _KEPT,
    "prompt": "prompts are not kept here; send the input itself",
    "background": "answers are given while you wait; leave it out",
}
_OUTPUT_ITEMS: Final = ("content", "summary")
_ENDS: Final = ("response.completed", "response.incomplete", "response.failed")


class Responses:
    """`POST /v1/responses`."""

    protocol = Protocol.RESPONSES
    upstream_path = "/responses"

    def read(self, body: Body) -> Asked:
        """Return what is asked for; raises Refused."""
        refuse_fields(body, _NOT_SERVED)
        refuse_other_prices(body)
        given = body.get("input")
        items = [] if isinstance(given, str) else list(objects(read_list(body, "input"), "input"))
        if not given:
            raise bad_request("input: give a text or a list of items", param="input")
        images = list(_image_urls(items))
        texts = [given] if isinstance(given, str) else [t for i in items for t in _user_texts(i)]
        return Asked(
            model=read_model(body),
            text=judged(texts),
            images=len(images),
            image_bytes=sum(map(data_url_bytes, images)),
            max_output_tokens=read_tokens(body, "max_output_tokens"),
            capabilities=frozenset(_capabilities(body)),
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
        """Return the body for the upstream."""
        return {
            **body,
            "model": upstream_model,
            "max_output_tokens": output_tokens,
            "store": False,
        }

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        """Return what a whole answer says that it used."""
        used = answer.get("usage")
        if not isinstance(used, dict) or not isinstance(used.get("input_tokens"), int):
            return None
        details, thought = (
            value if isinstance(value := used.get(name), dict) else {}
            for name in ("input_tokens_details", "output_tokens_details")
        )
        cached = details.get("cached_tokens") or 0
        if not isinstance(cached, int):
            return None
        return usage_of(
            fresh=used["input_tokens"] - cached,
            cached=cached,
            output=used.get("output_tokens"),
            reasoning=thought.get("reasoning_tokens"),
        )

    def output_bytes(self, answer: Mapping[str, Any]) -> int:
        """Return the bytes of all items of the output."""
        output = answer.get("output")
        return sum(map(_bytes_of, output if isinstance(output, list) else ()))

    def meter(self, asked: Asked) -> "ResponsesMeter":  # noqa: ARG002 - other dialects need it
        """Return what reads along; every event goes to the caller."""
        return ResponsesMeter(self)

    def error_body(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002 - in a header
        """Return OpenAI's shape."""
        return to_json(openai_error(refusal))

    def error_event(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002 - in a header
        """Return the event `error` of the API."""
        told = {"type": "error", "code": refusal.code, "message": refusal.message, "param": None}
        return event("error", {**told, **openai_error(refusal)})


class ResponsesMeter(StreamMeter):
    """Reads along in a stream of `response.…` events."""

    def __init__(self, dialect: Responses) -> None:
        super().__init__()
        self._dialect = dialect

    def see(self, event: ServerSentEvent) -> bool:
        """Take the next event; the caller gets it, unless the upstream says that it failed."""
        value = event.json()
        if value is None:
            return True
        self.count(utf8_bytes(value.get("delta")))
        response = value.get("response")
        if value.get("type") in _ENDS and isinstance(response, dict):
            self.usage = self._dialect.usage(response) or self.usage
            self.failure = self.failure or failure_in(response)
        if value.get("type") == "error":
            self.failure = self.failure or failure_in(value) or str(value.get("message"))[:200]
        return not self.failure


def _capabilities(body: Body) -> Iterator[Capability]:
    if has_functions(body):
        yield Capability.TOOLS
    text = body.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    if isinstance(wanted, dict) and wanted.get("type") not in (None, "text"):
        yield Capability.JSON


def _user_texts(item: Mapping[str, Any]) -> Iterator[str]:
    if item.get("role") == "user":
        yield from texts_of(item.get("content"), "input_text")


def _image_urls(items: list[dict[str, Any]]) -> Iterator[object]:
    """Yield where each image is; raises Refused for what the provider keeps."""
    for item in items:
        if item.get("type") == "item_reference":
            raise bad_request(f"input: {_KEPT}", param="input")
        content = item.get("content")
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "input_image" and part.get("image_url"):
                yield part["image_url"]
            elif kind == "input_image" or (kind == "input_file" and not part.get("file_data")):
                raise bad_request("input: images and files must come with it", param="input")


def _bytes_of(item: object) -> int:
    if not isinstance(item, dict):
        return 0
    size = utf8_bytes(item.get("arguments")) + utf8_bytes(item.get("input"))
    for name in _OUTPUT_ITEMS:
        parts = item.get(name)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                size += utf8_bytes(part.get("text")) + utf8_bytes(part.get("refusal"))
    return size
