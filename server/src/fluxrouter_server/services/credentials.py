"""Finds out who calls from the secret that came with the call."""

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.callers import Caller


class Credentials:
    """Knows API keys, service secrets and, where no credential is configured, local callers."""

    async def authenticate(self, secret: str | None) -> Caller | Denial:
        """Say who holds the secret (without `Bearer `); None where the call brought none.

        Raises:
            StoreUnavailable: it could not be found out.
        """
        raise NotImplementedError
