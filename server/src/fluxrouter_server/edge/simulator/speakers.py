"""The simulator's answers in each protocol, whole and as events."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fluxrouter_server.dialects.error_bodies import event
from fluxrouter_server.edge.simulator.script import Script

__all__ = ["Speaker", "speaker_of"]

_FINGERPRINT: Final = "fluxrouter-simulator"
_DONE: Final = b"data: [DONE]\n\n"
_NO_LIMIT: Final = 1024
_LATE_ERROR: Final = {"error": {"message": "simulated: it broke in the middle", "type": "server"}}


class Speaker:
    """Chat completions; the other protocols differ in what they override."""

    limits: tuple[str, ...] = ("max_completion_tokens", "max_tokens")

    def limit(self, body: Mapping[str, Any]) -> int:
        """Return the most tokens of output."""
        return min((int(body[n]) for n in self.limits if body.get(n)), default=_NO_LIMIT)

    def whole(self, script: Script, model: str) -> dict[str, Any]:
        """Return the answer in one piece."""
        answer = {
            **_head("chat.completion", model),
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "".join(script.pieces)},
                    "finish_reason": _reason(script),
                }
            ],
        }
        return {**answer, "usage": _chat_usage(script)} if script.tells_usage else answer

    def events(self, script: Script, model: str, body: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the answer, an event a token, then its end."""
        head = _head("chat.completion.chunk", model)
        for piece in script.pieces:
            delta = {"role": "assistant", "content": piece}
            yield event("", {**head, "choices": [_choice(delta, None)], "usage": None})
        if script.fault == "late-error":
            yield event("", _LATE_ERROR)
            return
        yield event("", {**head, "choices": [_choice({}, _reason(script))], "usage": None})
        wanted = (body.get("stream_options") or {}).get("include_usage")
        if wanted and script.tells_usage:
            yield event("", {**head, "choices": [], "usage": _chat_usage(script)})
        yield _DONE


class _Responses(Speaker):
    limits = ("max_output_tokens",)

    def whole(self, script: Script, model: str) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "id": "resp_simulated",
            "object": "response",
            "created_at": 0,
            "model": model,
            "status": "incomplete" if script.is_cut_short else "completed",
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
            "metadata": {"simulator": _FINGERPRINT},
            "output": [
                {
                    "id": "msg_simulated",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [
                        {
                            "type": "output_text",
                            "text": "".join(script.pieces),
                            "annotations": [],
                        }
                    ],
                }
            ],
        }
        if script.tells_usage:
            answer["usage"] = {
                "input_tokens": script.input_tokens,
                "input_tokens_details": {"cached_tokens": script.cached},
                "output_tokens": len(script.pieces),
                "output_tokens_details": {"reasoning_tokens": script.reasoning},
                "total_tokens": script.input_tokens + len(script.pieces),
            }
        return answer

    def events(self, script: Script, model: str, body: Mapping[str, Any]) -> Iterator[bytes]:  # noqa: ARG002
        answer = self.whole(script, model)
        begun = {**answer, "status": "in_progress", "output": [], "usage": None}
        yield _named({"type": "response.created", "response": begun, "sequence_number": 0})
        for number, piece in enumerate(script.pieces, 1):
            delta = {"item_id": "msg_simulated", "output_index": 0, "content_index": 0}
            yield _named(
                {
                    "type": "response.output_text.delta",
                    **delta,
                    "delta": piece,
                    "logprobs": [],
                    "sequence_number": number,
                }
            )
        if script.fault == "late-error":
            yield _named({"type": "error", "message": "simulated", "code": "server_error"})
            return
        end = "response.incomplete" if script.is_cut_short else "response.completed"
        yield _named({"type": end, "response": answer, "sequence_number": len(script.pieces) + 1})


class _Messages(Speaker):
    limits = ("max_tokens",)

    def whole(self, script: Script, model: str) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "id": "msg_simulated",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": "".join(script.pieces)}],
            "stop_reason": "max_tokens" if script.is_cut_short else "end_turn",
            "stop_sequence": None,
        }
        return {**answer, "usage": _message_usage(script)} if script.tells_usage else answer

    def events(self, script: Script, model: str, body: Mapping[str, Any]) -> Iterator[bytes]:  # noqa: ARG002
        answer = self.whole(script, model)
        used = {**_message_usage(script), "output_tokens": 1} if script.tells_usage else {}
        begun = {**answer, "content": [], "stop_reason": None, "usage": used}
        yield _named({"type": "message_start", "message": begun})
        block = {"type": "text", "text": ""}
        yield _named({"type": "content_block_start", "index": 0, "content_block": block})
        for piece in script.pieces:
            delta = {"type": "text_delta", "text": piece}
            yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
        if script.fault == "late-error":
            yield _named({"type": "error", "error": {"type": "api_error", "message": "simulated"}})
            return
        yield _named({"type": "content_block_stop", "index": 0})
        ended: dict[str, Any] = {
            "type": "message_delta",
            "delta": {"stop_reason": answer["stop_reason"], "stop_sequence": None},
        }
        if script.tells_usage:
            ended["usage"] = {"output_tokens": len(script.pieces)}
        yield _named(ended)
        yield _named({"type": "message_stop"})


class _CountTokens(_Messages):
    def whole(self, script: Script, model: str) -> dict[str, Any]:  # noqa: ARG002
        return {"input_tokens": script.input_tokens}


class _Embeddings(Speaker):
    def whole(self, script: Script, model: str) -> dict[str, Any]:
        vector = {"object": "embedding", "index": 0, "embedding": [0.0, 1.0]}
        used = {"prompt_tokens": script.input_tokens, "total_tokens": script.input_tokens}
        return {"object": "list", "model": model, "data": [vector], "usage": used}


_SPEAKERS: Final[Mapping[str, Speaker]] = {
    "/chat/completions": Speaker(),
    "/responses": _Responses(),
    "/embeddings": _Embeddings(),
    "/v1/messages": _Messages(),
    "/v1/messages/count_tokens": _CountTokens(),
}


def speaker_of(path: str) -> Speaker | None:
    """Return who answers at a path; None for nobody."""
    return _SPEAKERS.get(path)


def _named(value: dict[str, Any]) -> bytes:
    return event(value["type"], value)


def _head(kind: str, model: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-simulated",
        "object": kind,
        "created": 0,
        "model": model,
        "system_fingerprint": _FINGERPRINT,
    }


def _choice(delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}


def _reason(script: Script) -> str:
    return "length" if script.is_cut_short else "stop"


def _chat_usage(script: Script) -> dict[str, Any]:
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": len(script.pieces),
        "total_tokens": script.input_tokens + len(script.pieces),
        "prompt_tokens_details": {"cached_tokens": script.cached},
        "completion_tokens_details": {"reasoning_tokens": script.reasoning},
    }


def _message_usage(script: Script) -> dict[str, Any]:
    return {
        "input_tokens": script.input_tokens - script.cached,
        "cache_read_input_tokens": script.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": len(script.pieces),
    }
