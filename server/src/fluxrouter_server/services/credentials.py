"""Finds out who calls from the secret that came with the call.

Secrets are compared by their hashes, in constant time; they are never kept, logged or repeated in
an answer. Credentials that the settings name need no store. Those that were created at run time are
read again when what is remembered is a second old, so that a revoked one is refused within two.
"""

import hmac
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, Protocol, TypeAlias

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.domain.keys import parse_api_key
from fluxrouter_server.services.callers import LOCAL, Caller, Scope
from fluxrouter_server.services.key_validity import KEY_INVALID
from fluxrouter_server.services.limits_cache import LimitsCache
from fluxrouter_server.services.ports.documents import CredentialRecord, CredentialStore
from fluxrouter_server.services.single_flight import SingleFlight

_API_KEY_PREFIX: Final = "fr-"
_SERVICE_PREFIX: Final = "fs-"
#: `RevokeServiceCredential` promises two seconds; the other one is for the read itself.
REFRESH_SECONDS: Final = 1.0


_Callers: TypeAlias = tuple[tuple[str, Caller], ...]  # by the hash of the secret


class TokenReviewer(Protocol):
    """Verifies tokens that somebody else issues, such as those of Kubernetes ServiceAccounts."""

    async def review(self, token: str) -> Caller | None:
        """Return who holds the token; None where it is not one of its issuer's, or not valid."""
        ...


class Credentials:
    """Knows API keys, service secrets and, where no credential is configured, local callers."""

    def __init__(
        self,
        *,
        cache: LimitsCache,
        store: CredentialStore,
        configured: Sequence[CredentialRecord],
        local_allowed: bool,
        monotonic: Callable[[], float],
        reviewer: TokenReviewer | None = None,
    ) -> None:
        """Take `configured` from the settings; `monotonic` returns seconds.

        `local_allowed` admits calls without a secret as `local`: whoever sets it has made sure that
        the server listens on loopback only.
        """
        self._cache = cache
        self._configured = _callers(configured)
        self._stored: _Callers = ()
        self._stored_at: float | None = None
        self._reads: SingleFlight[None, Sequence[CredentialRecord]] = SingleFlight(
            lambda _: store.list_credentials()
        )
        self._local_allowed = local_allowed
        self._monotonic = monotonic
        self._reviewer = reviewer

    async def authenticate(self, secret: str | None) -> Caller | Denial:
        """Say who holds the secret (without `Bearer `); None where the call brought none.

        An API key is only found here. Whether it is valid still, the decision itself tells.

        Raises:
            StoreUnavailable: it could not be found out.
        """
        if secret is None:
            return LOCAL if self._local_allowed else _MISSING
        if secret.startswith(_API_KEY_PREFIX):
            return await self._api_key(secret)
        secret_hash = sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        found = _find(self._configured, secret_hash)
        if found is None and secret.startswith(_SERVICE_PREFIX):
            found = await self._find_stored(secret_hash)
        if found is None and self._reviewer is not None:
            found = await self._reviewer.review(secret)
        return found or _UNKNOWN

    async def _api_key(self, text: str) -> Caller | Denial:
        parsed = parse_api_key(text)
        if parsed is None:
            return KEY_INVALID
        key = await self._cache.key(parsed.uid, parsed.hash)
        if key is None:
            return KEY_INVALID
        return Caller(Principal(f"key/{key.uid}/{key.name}"), scopes=frozenset(), key=key)

    async def _find_stored(self, secret_hash: str) -> Caller | None:
        now = self._monotonic()
        if self._stored_at is not None and now - self._stored_at < REFRESH_SECONDS:
            found = _find(self._stored, secret_hash)
            if found is not None:
                return found
        # Old, or the credential may be new: what is absent is not believed for a single call.
        records = await self._reads.fetch(
            None, accept=lambda records: _find(_callers(records), secret_hash) is not None
        )
        self._stored, self._stored_at = _callers(records), now
        return _find(self._stored, secret_hash)


def _callers(records: Iterable[CredentialRecord]) -> _Callers:
    return tuple(
        (
            record.secret_hash,
            Caller(
                Principal(f"service/{record.name}"),
                frozenset(scope for scope in Scope if scope in record.scopes),
            ),
        )
        for record in records
    )


def _find(callers: _Callers, secret_hash: str) -> Caller | None:
    found = None
    # To the end in any case: how long it takes says nothing of where a match is.
    for known, caller in callers:
        if hmac.compare_digest(known, secret_hash):
            found = caller
    return found


_MISSING = Denial(
    Reason.CREDENTIAL_INVALID,
    "The call carries no credential: send an API key or a service credential as "
    "`authorization: Bearer …`.",
)
_UNKNOWN = Denial(
    Reason.CREDENTIAL_INVALID,
    "The credential is unknown or revoked: use another one, or ask the operator of this service.",
)
