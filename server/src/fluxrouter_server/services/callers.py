"""Who calls, and for whom: the two identities that every use case starts from."""

from dataclasses import dataclass, field
from enum import StrEnum

from fluxrouter_server.domain.ids import AccountName, AccountUid, KeyHash, KeyName, Principal
from fluxrouter_server.domain.values import per_call_value


class Scope(StrEnum):
    """What a service credential may do, for any account."""

    ROUTE = "route"
    METER = "meter"
    READ = "read"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """One secret of an account's API key, found in the account's record.

    It says nothing of the key's validity: a revoked key may still settle its holds.
    """

    uid: AccountUid
    hash: KeyHash
    name: KeyName


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of a call.

    `key` is set where the call itself is authenticated by an API key; such a caller has no scopes
    and acts for its own account only.
    """

    principal: Principal
    scopes: frozenset[Scope]
    key: KeyIdentity | None = None

    def has(self, *scopes: Scope) -> bool:
        """Whether the caller has at least one of the scopes."""
        return not self.scopes.isdisjoint(scopes)


#: Whoever reaches a server without any credential configured, which listens on loopback only.
LOCAL = Caller(principal=Principal("local"), scopes=frozenset(Scope))


@per_call_value
class AccountRef:
    """The account that a request names: by name, by an API key's text, or else the caller's own.

    The key's text is a secret: it is left out of `repr`. Where that key has been found already, as
    when the request was authenticated by it, `key` says what it was found to be.
    """

    name: AccountName | None = None
    api_key: str | None = field(default=None, repr=False)
    key: KeyIdentity | None = None


#: The account of the calling API key.
OWN_ACCOUNT = AccountRef()
