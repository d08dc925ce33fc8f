"""Lets ServiceAccounts of a cluster in by their projected tokens: no secret to make or rotate.

The cluster's API server verifies a token (TokenReview); what it said is remembered for seconds, so
that a caller costs it a few questions a minute and a revoked token is refused soon.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp

from fluxrouter_server.cluster.connection import connected_api
from fluxrouter_server.services.callers import Caller
from fluxrouter_server.services.least_recent import LeastRecent
from fluxrouter_server.services.ports.errors import StoreUnavailable

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

__all__ = ["AUDIENCE", "ServiceAccountTokens", "TokenReviews", "connected_reviews"]

#: What a token must be meant for: one for the API server itself lets nobody in here.
AUDIENCE: Final = "fluxrouter"
_PREFIX: Final = "system:serviceaccount:"
_REMEMBERED: Final = 1000
_REMEMBER_SECONDS: Final = 10.0
_ASK_SECONDS: Final = 3.0
_PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_JWT_DOTS: Final = 2
_CREATED: Final = 201


class TokenReviews(Protocol):
    """Who asks the cluster."""

    async def review(self, token: str) -> str | None:
        """Return `namespace/name` of the ServiceAccount; None where the token is not valid here.

        Raises:
            StoreUnavailable: the cluster did not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    caller: Caller | None
    until: float


class ServiceAccountTokens:
    """Callers by the tokens of their ServiceAccounts.

    Args:
        callers: who is let in, by `namespace/name` of the ServiceAccount.
        reviews: who asks the cluster.
        monotonic: seconds that only grow.
    """

    def __init__(
        self,
        callers: Mapping[str, Caller],
        reviews: TokenReviews,
        monotonic: Callable[[], float],
    ) -> None:
        self._callers = callers
        self._reviews = reviews
        self._monotonic = monotonic
        self._answers: LeastRecent[bytes, _Answer] = LeastRecent(_REMEMBERED)

    async def review(self, token: str) -> Caller | None:
        """Return who holds the token; None where nobody who is let in does.

        Raises:
            StoreUnavailable: the cluster did not answer.
        """
        if token.count(".") != _JWT_DOTS:
            return None  # a guess, which is not worth the cluster's time
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        answer = self._answers.get(digest)
        if answer is None or answer.until <= self._monotonic():
            account = await self._reviews.review(token)
            caller = self._callers.get(account) if account is not None else None
            answer = _Answer(caller, self._monotonic() + _REMEMBER_SECONDS)
            self._answers.put(digest, answer)
        return answer.caller


class _KubernetesReviews:
    """TokenReview of the cluster's API server."""

    def __init__(self, api: "ApiClient") -> None:
        self._api = api

    async def review(self, token: str) -> str | None:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        parameters = await self._api.param_serialize(
            "POST",
            _PATH,
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._api.call_api(*parameters, _request_timeout=_ASK_SECONDS)
            content: bytes = await response.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise _unanswered("the Kubernetes API server does not answer") from error
        if response.status != _CREATED:
            raise _unanswered(f"the Kubernetes API server refuses TokenReviews: {response.status}")
        return _account(json.loads(content).get("status", {}))


@asynccontextmanager
async def connected_reviews() -> AsyncIterator[TokenReviews]:
    """Yields TokenReviews of the cluster: as a pod of it, else by `KUBECONFIG`.

    Raises:
        kubernetes.aio.config.ConfigException: there is no cluster.
    """
    async with connected_api() as api:
        yield _KubernetesReviews(api)


def _account(status: Mapping[str, Any]) -> str | None:
    """Reads a TokenReview's status; a token that is not meant for us is nobody's."""
    username = str(status.get("user", {}).get("username", ""))
    if not status.get("authenticated") or AUDIENCE not in status.get("audiences", ()):
        return None
    if not username.startswith(_PREFIX):
        return None
    return username.removeprefix(_PREFIX).replace(":", "/")


def _unanswered(message: str) -> StoreUnavailable:
    return StoreUnavailable(f"{message}, so the token cannot be verified", outcome_unknown=False)
