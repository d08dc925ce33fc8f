"""Reads fields of a request's body; each reader names the field that is wrong, and the remedy."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fluxrouter_server.dialects.refusals import bad_request
from fluxrouter_server.domain.pricing import MAX_TOKENS

__all__ = [
    "Body",
    "data_url_bytes",
    "has_functions",
    "objects",
    "read_flag",
    "read_list",
    "read_model",
    "read_tokens",
    "refuse_fields",
    "refuse_other_prices",
    "texts_of",
    "whole_number",
]

#: A parsed JSON object.
Body = Mapping[str, Any]

_MAX_MODEL_CHARACTERS: Final = 256
_FUNCTIONS: Final = ("function", "custom")


def read_model(body: Body) -> str:
    """Return what the request asks for; raises Refused."""
    model = body.get("model")
    if not isinstance(model, str) or not 1 <= len(model) <= _MAX_MODEL_CHARACTERS:
        raise bad_request("model: give a model's id, or an alias such as flux-auto", param="model")
    return model


def read_flag(body: Body, name: str) -> bool:
    """Return true or false, which is also what is absent or null; raises Refused."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise bad_request(f"{name}: must be true or false", param=name)


def whole_number(body: Body, name: str, *, low: int, high: int) -> int | None:
    """Return a whole number between two bounds; None where it is absent or null; raises Refused."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise bad_request(f"{name}: must be a whole number from {low} to {high}", param=name)
    return value


def read_tokens(body: Body, name: str) -> int | None:
    """Return a limit of output tokens; raises Refused, also for 0, which some read as no limit."""
    return whole_number(body, name, low=1, high=MAX_TOKENS)


def read_list(body: Body, name: str) -> list[Any]:
    """Return a list, empty where it is absent or null; raises Refused."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_request(f"{name}: must be a list", param=name)
    return value


def objects(items: list[Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that a list must consist of; raises Refused."""
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise bad_request(f"{name}[{index}]: must be an object", param=name)
        yield item


def texts_of(content: object, *kinds: str) -> Iterator[str]:
    """Yield the texts of a message's content: a text, or a list of parts of these types."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and part.get("type") in kinds:
                text = part.get("text")
                if isinstance(text, str):
                    yield text


def refuse_fields(body: Body, reasons: Mapping[str, str]) -> None:
    """Raise Refused for a field that is set and cannot be served; `reasons` say why, by field."""
    for name, reason in reasons.items():
        if body.get(name):
            raise bad_request(f"{name}: {reason}", param=name, code="unsupported_parameter")


def refuse_other_prices(body: Body) -> None:
    """Raise Refused for a service tier of OpenAI's that no rate card prices."""
    if body.get("service_tier") not in (None, "auto", "default"):
        raise bad_request(
            "service_tier: tiers with other prices are not served; leave it out",
            param="service_tier",
            code="unsupported_parameter",
        )


def has_functions(body: Body) -> bool:
    """Say whether the model may call tools; raises Refused for those that the provider runs."""
    tools = list(objects(read_list(body, "tools"), "tools"))
    for index, tool in enumerate(tools):
        if tool.get("type") not in _FUNCTIONS:
            raise bad_request(f"tools[{index}].type: only functions are served", param="tools")
    return bool(tools)


def data_url_bytes(url: object) -> int:
    """Return how much of the body is an image in a data URL, which does not count as text."""
    return len(url) if isinstance(url, str) and url.startswith("data:") else 0
