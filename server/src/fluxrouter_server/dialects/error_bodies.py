"""Refusals in the shapes that the clients of OpenAI and Anthropic read."""

from typing import Any

from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.refusals import Refusal

__all__ = ["anthropic_error", "event", "openai_error"]


def openai_error(refusal: Refusal) -> dict[str, Any]:
    """Return `{"error": {…}}` as https://platform.openai.com/docs/guides/error-codes has it."""
    error: dict[str, Any] = {
        "message": refusal.message,
        "type": refusal.kind.openai,
        "param": refusal.param or None,
        "code": refusal.code,
    }
    return {"error": _with_figures(error, refusal)}


def anthropic_error(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """Return `{"type": "error", …}` as https://docs.anthropic.com/en/api/errors has it."""
    error: dict[str, Any] = {
        "type": refusal.kind.anthropic,
        "message": refusal.message,
        "code": refusal.code,
    }
    return {
        "type": "error",
        "error": _with_figures(error, refusal),
        "request_id": request_id or None,
    }


def event(name: str, value: object) -> bytes:
    """Return a value as one event of a stream; `name` may be empty."""
    head = f"event: {name}\n".encode("ascii") if name else b""
    return head + b"data: " + to_json(value) + b"\n\n"


def _with_figures(error: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    if refusal.retry_after_seconds is not None:
        error["retry_after_seconds"] = refusal.retry_after_seconds
    for name, value in refusal.figures.items():
        error.setdefault(name, value)
    return error
