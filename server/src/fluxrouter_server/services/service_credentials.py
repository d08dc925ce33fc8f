"""Makes and ends credentials of other services. A secret is answered once and never kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.ports.documents import CredentialRecord


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A new credential with its secret."""

    record: CredentialRecord
    secret: str = field(repr=False)


class ServiceCredentials:
    """Create-, List- and RevokeServiceCredential. Scopes are checked by whoever calls this."""

    async def create(self, name: str, scopes: Sequence[str]) -> NewCredential | Denial:
        """Make a credential."""
        raise NotImplementedError

    async def list_credentials(self) -> tuple[CredentialRecord, ...]:
        """All that were created here, by name."""
        raise NotImplementedError

    async def revoke(self, name: str) -> Denial | None:
        """End a credential; every replica refuses it within two seconds."""
        raise NotImplementedError
