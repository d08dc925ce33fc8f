"""Until when the secret of an API key works."""

from fluxrouter_server.domain.accounts import KeyLimits, KeyRecord, KeyState
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.services.callers import KeyIdentity


def valid_until_us(secret: KeyRecord, limits: KeyLimits | None) -> int | None:
    """Return the instant from which on the secret works no more; None for never, 0 if revoked.

    `limits` is the entry of the account's spec with the key's name, None where it has none.
    """
    if secret.state is KeyState.REVOKED:
        return 0
    ends = []
    if limits is not None and limits.expire_us is not None:
        ends.append(limits.expire_us)
    if secret.state is KeyState.ROTATED:
        # A rotated secret without a grace ended with its rotation.
        ends.append(secret.grace_end_us or 0)
    return min(ends, default=None)


def refuse_key(key: KeyIdentity | None, limits: Limits, now_us: int) -> Denial | None:
    """Say why a key must not be used now; None where it may, and where no key is used."""
    if key is None:
        return None
    secret = limits.secrets.get(key.hash)
    if secret is None:
        return KEY_INVALID
    end_us = valid_until_us(secret, limits.keys.get(secret.name))
    return None if end_us is None or now_us < end_us else KEY_INVALID


# One text for unknown, expired and revoked: who guesses keys learns nothing from the difference.
KEY_INVALID = Denial(
    Reason.API_KEY_INVALID,
    "The API key is malformed, unknown, expired or revoked: use another key, or ask the operator "
    "of this service for one.",
)
