"""OpenAI's embeddings: input only, so what is held is what is sent.

https://platform.openai.com/docs/api-reference/embeddings/create has the fields.
"""

from collections.abc import Mapping
from typing import Any

from fluxrouter_server.dialects.chat_completions import ChatMeter, chat_usage
from fluxrouter_server.dialects.dialect import Asked
from fluxrouter_server.dialects.error_bodies import event, openai_error
from fluxrouter_server.dialects.fields import Body, read_model
from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.refusals import Refusal, bad_request
from fluxrouter_server.domain.catalog import Protocol
from fluxrouter_server.domain.pricing import Usage

__all__ = ["Embeddings"]


class Embeddings:
    """`POST /v1/embeddings`."""

    protocol = Protocol.EMBEDDINGS
    upstream_path = "/embeddings"

    def read(self, body: Body) -> Asked:
        """Return what is asked for; raises Refused."""
        if not isinstance(body.get("input"), str | list) or not body["input"]:
            raise bad_request("input: give a text, or a list of texts or tokens", param="input")
        return Asked(model=read_model(body))

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

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        """Return what an answer says that it used."""
        return chat_usage(answer.get("usage"))

    def output_bytes(self, answer: Mapping[str, Any]) -> int:  # noqa: ARG002 - see the first line
        """Return 0: vectors are not priced."""
        return 0

    def meter(self, asked: Asked) -> ChatMeter:  # noqa: ARG002 - never asked for
        """Return what would read along; embeddings are not streamed."""
        return ChatMeter(hides_usage=False)

    def error_body(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002 - in a header
        """Return OpenAI's shape."""
        return to_json(openai_error(refusal))

    def error_event(self, refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG002 - in a header
        """Return OpenAI's shape as an event."""
        return event("", openai_error(refusal))
