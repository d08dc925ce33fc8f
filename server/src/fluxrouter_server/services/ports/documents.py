"""The store of control documents: plans, the catalog, accounts, key secrets, credentials."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from fluxrouter_server.domain.accounts import Account, KeyRecord
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.ids import AccountName, AccountUid, PlanName
from fluxrouter_server.domain.limits import AccountRecord, CatalogRecord, Generation, PlanRecord
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.plans import Plan

R = TypeVar("R")


class Change(StrEnum):
    """What a write did."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Written(Generic[R]):
    """The record in force after a write."""

    record: R
    change: Change


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account's record with its open period, None before the first decision."""

    record: AccountRecord
    open_period: Period | None
    store_us: int


class PlanStore(Protocol):
    """Plans, kept whole on every shard. Acknowledged means that every shard has it."""

    async def put_plan(self, plan: Plan) -> Written[PlanRecord]:
        """Create or replace. Raises StoreUnavailable naming the shards that lack it."""
        ...

    async def get_plan(self, name: PlanName) -> PlanRecord | None:
        """Read from the home shard; None where there is none."""
        ...

    async def list_plans(self) -> Sequence[PlanRecord]:
        """All plans by name."""
        ...

    async def delete_plan(self, name: PlanName) -> bool:
        """Remove from every shard; False where there was none."""
        ...


class FanOuts(Protocol):
    """Writes of plans and catalog that did not reach every shard."""

    async def finish_fan_outs(self) -> int:
        """Bring every shard to the newest documents; answer how many documents were behind."""
        ...


class CatalogStore(Protocol):
    """The catalog, kept whole on every shard."""

    async def put_catalog(self, catalog: Catalog) -> Written[CatalogRecord]:
        """Create or replace."""
        ...

    async def get_catalog(self) -> CatalogRecord | None:
        """Read; None before the first."""
        ...

    async def delete_catalog(self) -> bool:
        """Remove from every shard; False where there was none."""
        ...


class AccountStore(Protocol):
    """Accounts with their keys' hashes, each in its own shard."""

    async def put_account(self, account: Account) -> Written[AccountRecord]:
        """Create, replace, or revive the same uid after a deletion."""
        ...

    async def get_account(self, name: AccountName) -> AccountView | None:
        """Read by name; None where unknown. A deleted one is answered with its flag."""
        ...

    async def get_account_by_uid(self, uid: AccountUid) -> AccountView | None:
        """Read by uid."""
        ...

    async def list_accounts(
        self, *, namespace: str | None, after: AccountName | None, limit: int
    ) -> Sequence[AccountRecord]:
        """A page by name, deleted ones left out."""
        ...

    async def delete_account(self, name: AccountName) -> bool:
        """End admission; data stays until its period is closed. False where there was none."""
        ...

    async def put_secrets(
        self, uid: AccountUid, *, expected: Generation, secrets: tuple[KeyRecord, ...]
    ) -> AccountRecord | None:
        """Replace the key hashes if the account is still of that generation, else None."""
        ...


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """A service credential as kept: the hash of its secret, never the secret."""

    name: str
    secret_hash: str  # SHA-256, 64 hexadecimal digits
    scopes: frozenset[str]
    create_us: int


class CredentialStore(Protocol):
    """Service credentials."""

    async def put_credential(self, record: CredentialRecord) -> bool:
        """Create; False where the name is taken."""
        ...

    async def list_credentials(self) -> Sequence[CredentialRecord]:
        """All, by name."""
        ...

    async def delete_credential(self, name: str) -> bool:
        """Remove; False where there was none."""
        ...
