"""Until when an account's keys are valid, as the numbers that the scripts test on every call.

An expiry belongs to a key's limits and a grace to one of its secrets; what a script reads is the
earlier of the two, for each secret.
"""

from collections.abc import Iterable

from fluxrouter_server.domain.accounts import Account, KeyLimits, KeyRecord, KeyState
from fluxrouter_server.store.keys import FOREVER, key_field

__all__ = ["key_fields"]


def key_fields(account: Account, secrets: Iterable[KeyRecord]) -> dict[str, int]:
    """Name the field of each secret, with the instant (µs) from which on it is refused."""
    limits = {key.name: key for key in account.keys}
    return {key_field(secret.hash): _end_us(secret, limits.get(secret.name)) for secret in secrets}


def _end_us(secret: KeyRecord, limits: KeyLimits | None) -> int:
    if secret.state is KeyState.REVOKED:
        return 0
    ends = [FOREVER]
    if limits is not None and limits.expire_us is not None:
        ends.append(limits.expire_us)
    if secret.state is KeyState.ROTATED:
        # A rotated secret without a grace ended with its rotation.
        ends.append(secret.grace_end_us if secret.grace_end_us is not None else 0)
    return min(ends)
