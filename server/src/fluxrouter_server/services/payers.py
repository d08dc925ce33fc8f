"""Finds the account that a request is for, and checks that the caller may act for it."""

from fluxrouter_server.domain.denials import Denial, FieldViolation, Reason
from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.keys import hash_api_key, parse_api_key
from fluxrouter_server.domain.values import per_call_value
from fluxrouter_server.services.callers import AccountRef, Caller, KeyIdentity, Scope
from fluxrouter_server.services.key_validity import KEY_INVALID
from fluxrouter_server.services.limits_cache import LimitsCache


@per_call_value
class Payer:
    """An account, and the API key that the request was made with, if any."""

    uid: AccountUid
    key: KeyIdentity | None = None


class Payers:
    """Reads account names and API keys as what they stand for today."""

    def __init__(self, cache: LimitsCache) -> None:
        self._cache = cache

    def remembered(self, account: AccountRef, caller: Caller, *scopes: Scope) -> Payer | None:
        """Return what `find` would where it needs no reading, as most often."""
        if account.key is not None and caller.key is None and caller.has(*scopes):
            return Payer(account.key.uid, account.key)
        if account.name is None or account.api_key is not None or caller.key is not None:
            return None
        uid = self._cache.remembered_uid(account.name) if caller.has(*scopes) else None
        return None if uid is None else Payer(uid)

    async def find(self, account: AccountRef, caller: Caller, *scopes: Scope) -> Payer | Denial:
        """Return the account that the caller may act for by one of the scopes, or as its own key.

        Raises:
            StoreUnavailable: it is not remembered and could not be read.
        """
        if caller.key is not None:
            return await self._own(account, caller.key)
        if not caller.has(*scopes):
            return scope_missing(*scopes)
        if account.name is not None and account.api_key is not None:
            return _invalid("give either account or api_key, not both")
        if account.name is not None:
            uid = await self._cache.uid_of(account.name)
            return Payer(uid) if uid is not None else account_missing(account.name)
        if account.key is not None:
            return Payer(account.key.uid, account.key)
        if account.api_key is not None:
            return await self._by_key(account.api_key)
        return _invalid("say for which account: give account or api_key")

    async def _by_key(self, text: str) -> Payer | Denial:
        parsed = parse_api_key(text)
        if parsed is None:
            return KEY_INVALID
        key = await self._cache.key(parsed.uid, parsed.hash)
        return Payer(key.uid, key) if key is not None else KEY_INVALID

    async def _own(self, account: AccountRef, key: KeyIdentity) -> Payer | Denial:
        if account.api_key is not None and hash_api_key(account.api_key) != key.hash:
            return _NOT_OWN
        if account.name is not None and await self._cache.uid_of(account.name) != key.uid:
            return _NOT_OWN
        return Payer(key.uid, key)


def scope_missing(*scopes: Scope) -> Denial:
    """The denial of a caller that has none of the scopes."""
    names = " or ".join(scopes)
    return Denial(
        Reason.SCOPE_MISSING,
        f"This needs a credential with the scope {names}.",
        facts={"scope": names},
    )


def account_missing(name: AccountName) -> Denial:
    """The denial for an account that does not exist or is deleted."""
    return Denial(
        Reason.RESOURCE_NOT_FOUND, f"There is no account {name}: apply it, or correct the name."
    )


def _invalid(description: str) -> Denial:
    return Denial(
        Reason.INVALID_REQUEST,
        f"The request names no account: {description}.",
        violations=(FieldViolation("account", description),),
    )


# The same whether the other account exists or not.
_NOT_OWN = Denial(
    Reason.SCOPE_MISSING,
    "An API key acts for its own account only: leave account and api_key empty, or call with a "
    "service credential.",
    facts={"scope": "own account"},
)
