"""Decides who is let in without a credential: nobody, or everybody on this machine alone."""

from collections.abc import Sequence, Sized

from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.settings import Settings, SettingsError

__all__ = ["allows_local", "needs_stored", "require_stored"]


def allows_local(settings: Settings, configured: Sized) -> bool:
    """Whether calls without a credential may do everything: on loopback, with none configured."""
    return settings.listen.is_loopback and not configured


def needs_stored(settings: Settings, configured: Sized) -> bool:
    """Whether other machines reach the server, and only a credential made at run time keeps it."""
    return not settings.listen.is_loopback and not configured


def require_stored(settings: Settings, stored: Sequence[CredentialRecord]) -> None:
    """Refuses an address that other machines reach where no credential was made at run time.

    Raises:
        SettingsError: says how to go on.
    """
    if not stored:
        raise SettingsError(
            f"--listen {settings.listen}: other machines can reach this address, and no credential "
            "is configured; give --credentials-file, or make one with `fluxrouter credentials "
            "create` on a server that listens on 127.0.0.1"
        )
