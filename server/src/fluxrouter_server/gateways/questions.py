"""Reads what a gateway asks: whose request, in which protocol, and what is to become of it.

What the gateway's own configuration says comes with its route (`context_extensions`); nothing of
that can be said by whoever sent the request.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fluxrouter.envoy.v3.ext_authz_pb2 import AttributeContext, CheckRequest
from fluxrouter_server.dialects.dialect import Dialect
from fluxrouter_server.dialects.endpoints import ENDPOINTS, shape_of
from fluxrouter_server.dialects.incoming import Incoming, read_incoming, secret_of
from fluxrouter_server.dialects.refusals import Refusal, Refused, bad_request
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.services.callers import AccountRef

__all__ = ["Mode", "Question", "read_question", "shape"]

_MODE: Final = "fluxrouter_mode"
_ENDPOINT: Final = "fluxrouter_endpoint"
_ACCOUNT_HEADER: Final = "fluxrouter_account_header"

#: With which Envoy marks a body that it cut off.
_PARTIAL: Final = "x-envoy-auth-partial-body"
_KEY_MISSING: Final = Refusal(
    401,
    "api_key_invalid",
    "the request carries no API key of this service; send one as `authorization: Bearer …` or as "
    "`x-api-key`",
    should_retry=False,
)


class Mode(StrEnum):
    """What a gateway wants of a request's account."""

    CHECK = "check"  # only whether the request would be admitted; nothing is held
    HOLD = "hold"  # its money set aside; somebody settles or releases the hold later


@dataclass(frozen=True, slots=True)
class Question:
    """One request that stands at a gateway.

    Attributes:
        mode: What is to become of it.
        incoming: What it asks for.
    """

    mode: Mode
    incoming: Incoming


def read_question(request: CheckRequest, *, made: str) -> Question:
    """Return what is asked.

    Args:
        request: As the gateway sends it.
        made: The request's id where nobody gave it one.

    Raises:
        Refused: it cannot be admitted, or the gateway's configuration is wrong.
    """
    context = request.attributes
    http, told = context.request.http, context.context_extensions
    path = _endpoint_of(context)
    dialect = ENDPOINTS.get(path)
    if dialect is None:
        raise Refused(_not_served(path))
    mode = told.get(_MODE, Mode.CHECK)
    if mode not in list(Mode):
        raise Refused(_misconfigured(f"{_MODE} is {mode[:40]!a}; use check or hold"))
    incoming = read_incoming(
        path,
        dialect,
        _body(http),
        http.headers,
        account=_account(context),
        made=http.id or made,
    )
    return Question(Mode(mode), incoming)


def shape(request: CheckRequest) -> Dialect:
    """Return in whose shape a refusal is told."""
    return shape_of(_endpoint_of(request.attributes))


def _endpoint_of(context: AttributeContext) -> str:
    """Return the path, without its query, by which the request's protocol is known."""
    http = context.request.http
    return context.context_extensions.get(_ENDPOINT) or http.path.partition("?")[0]


def _account(context: AttributeContext) -> AccountRef:
    """Who pays: by the header that the gateway vouches for where it names one, else by the key."""
    headers, name = context.request.http.headers, context.context_extensions.get(_ACCOUNT_HEADER)
    if name:
        account = headers.get(name.lower(), "")
        if not account:
            raise Refused(_misconfigured(f"the header {name} names no account"))
        return AccountRef(name=AccountName(account))
    secret = secret_of(headers)
    if not secret:
        raise Refused(_KEY_MISSING)
    return AccountRef(api_key=secret)


def _body(http: AttributeContext.HttpRequest) -> bytes:
    if http.headers.get(_PARTIAL) == "true":
        raise bad_request("the body is larger than this gateway takes; send less", status=413)
    data = http.raw_body or http.body.encode("utf-8", "surrogatepass")
    if not data and http.headers.get("content-length", "0") not in ("", "0"):
        raise Refused(_misconfigured("it sends no bodies; set with_request_body"))
    return data


def _not_served(path: str) -> Refusal:
    told = f"nothing is served at {path[:100]!a}"
    return Refusal(404, "not_found", told, should_retry=False)


def _misconfigured(problem: str) -> Refusal:
    told = f"the gateway's ext_authz is not set up for this service: {problem}"
    return Refusal(500, "gateway_misconfigured", told, should_retry=False)
