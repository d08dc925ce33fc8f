"""Makes and ends credentials of other services. A secret is answered once and never kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fluxrouter_server.domain.denials import Denial, FieldViolation, Reason
from fluxrouter_server.domain.keys import (
    SECRET_BYTES,
    format_service_secret,
    parse_service_secret,
)
from fluxrouter_server.domain.names import shown, validate_names
from fluxrouter_server.services.callers import Scope
from fluxrouter_server.services.ports.documents import CredentialRecord, CredentialStore
from fluxrouter_server.services.ports.holds import StoreClock
from fluxrouter_server.services.refusals import invalid, not_found


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A new credential with its secret."""

    record: CredentialRecord
    secret: str = field(repr=False)


class ServiceCredentials:
    """Create-, List- and RevokeServiceCredential. Scopes are checked by whoever calls this."""

    def __init__(
        self, *, store: CredentialStore, clock: StoreClock, random: Callable[[int], bytes]
    ) -> None:
        """`random` returns so many unpredictable bytes."""
        self._store = store
        self._clock = clock
        self._random = random

    async def create(self, name: str, scopes: Sequence[str]) -> NewCredential | Denial:
        """Make a credential.

        Raises:
            StoreUnavailable: it may have been made; revoke it or choose another name.
        """
        wrong = invalid((*validate_names({"name": name}), *_scope_violations(scopes)))
        if wrong is not None:
            return wrong
        secret = format_service_secret(name, self._random(SECRET_BYTES))
        parsed = parse_service_secret(secret)
        if parsed is None:
            raise AssertionError("a secret that was just made must be readable")
        record = CredentialRecord(name, parsed.hash, frozenset(scopes), self._clock.now_us())
        if not await self._store.put_credential(record):
            return Denial(
                Reason.KEY_EXISTS,
                f"A service credential {name} exists: revoke it first, or choose another name.",
            )
        return NewCredential(record, secret)

    async def list_credentials(self) -> tuple[CredentialRecord, ...]:
        """All that were created here, by name.

        Raises:
            StoreUnavailable: they could not be read.
        """
        return tuple(await self._store.list_credentials())

    async def revoke(self, name: str) -> Denial | None:
        """End a credential; every replica refuses it within two seconds.

        Raises:
            StoreUnavailable: it may have been ended; repeat it.
        """
        if await self._store.delete_credential(name):
            return None
        return not_found(
            f"There is no service credential {shown(name)} that was created here; those in the "
            "settings file are ended there."
        )


def _scope_violations(scopes: Sequence[str]) -> tuple[FieldViolation, ...]:
    known = ", ".join(Scope)
    if not scopes:
        return (FieldViolation("scopes", f"empty; give at least one of {known}"),)
    return tuple(
        FieldViolation(f"scopes[{index}]", f"unknown scope {shown(scope)}; use {known}")
        for index, scope in enumerate(scopes)
        if scope not in Scope.__members__.values()
    )
