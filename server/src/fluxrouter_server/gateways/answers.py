"""Says a decision as an Envoy gateway understands it: pass on with changes, or answer that."""

from collections.abc import Iterable, Mapping
from typing import Final

from fluxrouter.envoy.v3.ext_authz_pb2 import (
    CheckResponse,
    DeniedHttpResponse,
    HeaderValue,
    HeaderValueOption,
    HttpStatus,
    OkHttpResponse,
    Status,
)
from fluxrouter_server.dialects.answer_headers import HeaderList, answer_headers, refusal_headers
from fluxrouter_server.dialects.dialect import Dialect
from fluxrouter_server.dialects.refusals import Refusal
from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.services.routing_service import Routed

__all__ = ["denied", "fitting", "held"]

_OK: Final = 0
_PERMISSION_DENIED: Final = 7
#: What the caller says to us and not to the provider.
_CREDENTIALS: Final = ("authorization", "x-api-key")
#: Beginning of the names of our own headers. A caller's are taken away: whoever reads one behind
#: the gateway must know that it is ours.
_OURS: Final = "x-flux-"


def denied(refusal: Refusal, shape: Dialect, request_id: str) -> CheckResponse:
    """Return a refusal, in the shape that the caller's client reads."""
    return CheckResponse(
        status=Status(code=_PERMISSION_DENIED, message=refusal.code),
        denied_response=DeniedHttpResponse(
            status=HttpStatus(code=refusal.status),
            headers=_options(_texts(refusal_headers(refusal, request_id))),
            body=shape.error_body(refusal, request_id).decode("utf-8"),
        ),
    )


def fitting(
    candidate: Candidate, headroom_nano_usd: int, headers: Mapping[str, str]
) -> CheckResponse:
    """Return that a request would be admitted; nothing is held.

    Args:
        candidate: The model that would serve it.
        headroom_nano_usd: What the account may still hold.
        headers: The request's own.
    """
    priced = candidate.priced
    told = {
        **_of_model(priced.model, priced.lane, priced.upstream, priced.upstream_model),
        "x-flux-remaining-usd": format_usd(headroom_nano_usd),
    }
    return _allowed(told, (("x-flux-model", priced.model),), headers)


def held(routed: Routed, asked_model: str, headers: Mapping[str, str]) -> CheckResponse:
    """Return that a request is admitted, with its hold.

    Args:
        routed: The admission.
        asked_model: What the request asked for.
        headers: The request's own.
    """
    hold = routed.hold
    told = {
        **_of_model(hold.model, hold.lane, hold.upstream, hold.upstream_model),
        "x-flux-hold-id": hold.id,
        "x-flux-request-id": hold.request_id,
        "x-flux-max-output-tokens": str(hold.granted_output_tokens),
    }
    return _allowed(told, _texts(answer_headers(routed, asked_model, None)), headers)


def _of_model(model: str, lane: str, upstream: str, upstream_model: str) -> dict[str, str]:
    return {
        "x-flux-model": model,
        "x-flux-lane": lane,
        "x-flux-upstream": upstream,
        "x-flux-upstream-model": upstream_model,
    }


def _allowed(
    told: Mapping[str, str], shown: Iterable[tuple[str, str]], headers: Mapping[str, str]
) -> CheckResponse:
    """`told` goes to the upstream and, as metadata, to the gateway; `shown` to the caller."""
    told = {name: value for name, value in told.items() if value}
    forged = [name for name in headers if name.startswith(_OURS) and name not in told]
    answer = CheckResponse(
        status=Status(code=_OK),
        ok_response=OkHttpResponse(
            headers=_options(told.items()),
            headers_to_remove=[*_CREDENTIALS, *forged],
            response_headers_to_add=_options(shown),
        ),
    )
    for name, value in told.items():
        answer.dynamic_metadata[name.removeprefix(_OURS).replace("-", "_")] = value
    return answer


def _options(headers: Iterable[tuple[str, str]]) -> list[HeaderValueOption]:
    return [
        HeaderValueOption(
            header=HeaderValue(key=name, value=value),
            append_action=HeaderValueOption.APPEND_ACTION_OVERWRITE_IF_EXISTS_OR_ADD,
        )
        for name, value in headers
    ]


def _texts(headers: HeaderList) -> list[tuple[str, str]]:
    return [(name.decode("ascii"), value.decode("ascii")) for name, value in headers]
