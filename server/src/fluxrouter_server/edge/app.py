"""The HTTP edge as one ASGI application: which endpoint, who calls, what is asked, and errors.

https://asgi.readthedocs.io/en/latest/specs/www.html has the interface. No exception leaves it: what
nobody foresaw is logged once, without anything that the caller sent, and answered in shape.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from fluxrouter_server.dialects.answer_headers import JSON, refusal_headers
from fluxrouter_server.dialects.endpoints import ANTHROPIC, ENDPOINTS, shape_of
from fluxrouter_server.dialects.incoming import read_incoming, request_id_of, secret_of
from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.messages import CountTokens
from fluxrouter_server.dialects.refusals import STORE_UNAVAILABLE, Refusal, Refused, refusal_of
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.edge.asgi_types import Receive, Scope, Send
from fluxrouter_server.edge.attempts import CallerGone
from fluxrouter_server.edge.counting import Counting
from fluxrouter_server.edge.endings import EDGE
from fluxrouter_server.edge.exchange import Exchange
from fluxrouter_server.edge.model_list import model_list
from fluxrouter_server.edge.reading import headers_of, read_body
from fluxrouter_server.services.callers import AccountRef, Caller
from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.services.ports.telemetry import Counter, Telemetry
from fluxrouter_server.services.routing_service import RouteService

__all__ = ["EDGE_PREFIXES", "EdgeApp"]

_log = structlog.get_logger(__name__)

#: Beginnings of all paths that are the edge's.
EDGE_PREFIXES: Final = ("/v1/", ANTHROPIC)
_MODELS: Final = "/v1/models"
_KEY_MISSING: Final = Refusal(
    401,
    "api_key_invalid",
    "the request carries no API key of this service; send one as `authorization: Bearer …` or as "
    "`x-api-key`",
    should_retry=False,
)


class Authenticator(Protocol):
    """Finds out who calls."""

    async def authenticate(self, secret: str | None) -> Caller | Denial:
        """Say who holds the secret; None where the call brought none."""
        ...


class EdgeApp:
    """Serves the endpoints.

    Args:
        authenticator: Finds out who calls.
        routes: Lists models.
        exchange: Answers.
        counting: Counts tokens.
        random: Returns an unpredictable text.
        telemetry: Counts refusals.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        routes: RouteService,
        exchange: Exchange,
        counting: Counting,
        random: Callable[[], str],
        telemetry: Telemetry,
    ) -> None:
        self._telemetry = telemetry
        self._authenticate = authenticator.authenticate
        self._routes = routes
        self._exchange = exchange
        self._counting = counting
        self._random = random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope["path"]
        headers = headers_of(scope)
        shape = shape_of(path)
        made = self._random()
        try:
            refusal = await self._serve(scope, headers, receive, send, made=made)
        except Refused as refused:
            refusal = refused.refusal
        except StoreError:
            refusal = STORE_UNAVAILABLE
        except (CallerGone, OSError):
            return  # nobody reads an answer
        except Exception as error:  # noqa: BLE001 - the one place where unknown errors end
            _log.error("request_failed", path=path, request_id=made, exc_info=error)
            told = f"something went wrong here; its log has it under {made}"
            refusal = Refusal(500, "internal_error", told)
        if refusal is not None:
            self._telemetry.count(Counter.EDGE_ANSWERS, label=str(refusal.status))
            request_id = _shown_id(headers, made)
            told_headers = refusal_headers(refusal, request_id)
            await _send(send, refusal.status, told_headers, shape.error_body(refusal, request_id))

    async def _serve(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        receive: Receive,
        send: Send,
        *,
        made: str,
    ) -> Refusal | None:
        path, method = scope["path"], scope["method"]
        dialect = ENDPOINTS.get(path)
        is_models = path == _MODELS or path.startswith(f"{_MODELS}/")
        if dialect is None and not is_models:
            return Refusal(
                404, "not_found", f"nothing is served at {path[:100]!a}", should_retry=False
            )
        if method != ("GET" if is_models else "POST"):
            told = f"this path takes {'GET' if is_models else 'POST'}"
            return Refusal(405, "method_not_allowed", told, should_retry=False)
        secret = secret_of(headers)
        caller = await self._authenticate(secret)
        if isinstance(caller, Denial) and caller.reason is not Reason.CREDENTIAL_INVALID:
            return refusal_of(caller)
        # Others may call, too, by gRPC; what is asked for here, an account's key pays for.
        if isinstance(caller, Denial) or caller.key is None or secret is None:
            return _KEY_MISSING
        account = AccountRef(api_key=secret, key=caller.key)
        if dialect is None:
            return await self._models(path.removeprefix(_MODELS).removeprefix("/"), account, send)
        body = await read_body(headers, receive)
        incoming = read_incoming(path, dialect, body, headers, account=account, made=made)
        if not isinstance(dialect, CountTokens):
            return await self._exchange.serve(incoming, receive, send)
        counted = await self._counting.count(incoming)
        if isinstance(counted, Refusal):
            return counted
        await _send(send, 200, [JSON], counted)
        return None

    async def _models(self, wanted: str, account: AccountRef, send: Send) -> Refusal | None:
        offer = await self._routes.list_models(account, EDGE)
        if isinstance(offer, Denial):
            return refusal_of(offer)
        listed = model_list(offer)
        if not wanted:
            await _send(send, 200, [JSON], to_json({"object": "list", "data": listed}))
            return None
        found = next((model for model in listed if model["id"] == wanted), None)
        if found is None:
            told = f"there is no model {wanted[:100]!a}; list the models to see them"
            return Refusal(404, "model_not_found", told, "model", should_retry=False)
        await _send(send, 200, [JSON], to_json(found))
        return None


def _shown_id(headers: Mapping[str, str], made: str) -> str:
    """The id that the caller knows its request by, if it can be one."""
    try:
        return request_id_of(headers, made)
    except Refused:
        return made


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
