"""Changes and reads plans, accounts and the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from fluxrouter_server.domain.accounts import Account
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.limits import AccountRecord, CatalogRecord, Generation, PlanRecord
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.services.ports.documents import Change

Document: TypeAlias = Plan | Account | Catalog
DocumentRecord: TypeAlias = PlanRecord | AccountRecord | CatalogRecord


class Kind(StrEnum):
    """Kinds of documents."""

    PLAN = "plan"
    ACCOUNT = "account"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one document; `uid` is empty for others than accounts.

    Under `validate_only` it is what would become of it, with the generation in force now (None
    where there is no such document yet).
    """

    kind: Kind
    name: str
    change: Change
    generation: Generation | None
    uid: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of documents; an empty token means that it is the last."""

    records: tuple[DocumentRecord, ...]
    next_token: str


class ControlService:
    """Apply, Get, List and Delete. Scopes are checked by whoever calls this."""

    async def apply(
        self, documents: Sequence[Document], *, validate_only: bool
    ) -> tuple[Applied, ...] | Denial:
        """Create or replace documents, in the order given; all are valid or none is written.

        Violations name fields as `resources[<index>].<kind>.…`.

        Raises:
            StoreUnavailable: some may have been applied; apply again.
        """
        raise NotImplementedError

    async def get(self, kind: Kind, names: Sequence[str]) -> tuple[DocumentRecord, ...] | Denial:
        """Read documents in the order of `names` (`namespace/name` for accounts)."""
        raise NotImplementedError

    async def list_page(
        self, kind: Kind, *, namespace: str, page_size: int, page_token: str
    ) -> Page | Denial:
        """Read a page, ordered by name; 0 and empty texts are defaults."""
        raise NotImplementedError

    async def delete(
        self, kind: Kind, names: Sequence[str], *, ignore_missing: bool
    ) -> tuple[str, ...] | Denial:
        """Remove documents and answer the names of those that were there."""
        raise NotImplementedError
