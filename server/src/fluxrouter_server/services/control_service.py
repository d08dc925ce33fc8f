"""Changes and reads plans, accounts and the catalog."""

from collections.abc import Sequence
from typing import Final, assert_never

from fluxrouter_server.domain.checks import listed
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName, PlanName
from fluxrouter_server.routing.tier_policies import TierPolicies
from fluxrouter_server.services.applying import Applying
from fluxrouter_server.services.bounded import each_bounded
from fluxrouter_server.services.control_documents import (
    CATALOG_NAME,
    MAX_DOCUMENTS,
    Applied,
    Document,
    DocumentRecord,
    Kind,
    Page,
    document_of,
    name_of,
)
from fluxrouter_server.services.deleting import Deleting
from fluxrouter_server.services.page_tokens import make_token, read_token
from fluxrouter_server.services.ports.documents import AccountStore, CatalogStore, PlanStore
from fluxrouter_server.services.refusals import invalid_field, not_found

__all__ = ["Applied", "ControlService", "Document", "DocumentRecord", "Kind", "Page"]

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1_000
_READS_AT_ONCE: Final = 64


class ControlService:
    """Apply, Get, List and Delete. Scopes are checked by whoever calls this."""

    def __init__(
        self,
        *,
        plans: PlanStore,
        accounts: AccountStore,
        catalogs: CatalogStore,
        policies: TierPolicies,
    ) -> None:
        self._plans = plans
        self._accounts = accounts
        self._catalogs = catalogs
        self._applying = Applying(
            plans=plans, accounts=accounts, catalogs=catalogs, policies=policies
        )
        self._deleting = Deleting(plans=plans, accounts=accounts, catalogs=catalogs)

    async def apply(
        self, documents: Sequence[Document], *, validate_only: bool
    ) -> tuple[Applied, ...] | Denial:
        """Create or replace documents, in the order given; all are valid or none is written.

        Violations name fields as `resources[<index>].<kind>.…`.

        Raises:
            StoreUnavailable: some may have been applied; apply again.
        """
        if len(documents) > MAX_DOCUMENTS:
            return _wrong_count("resources", len(documents))
        return await self._applying.apply(documents, validate_only=validate_only)

    async def get(self, kind: Kind, names: Sequence[str]) -> tuple[DocumentRecord, ...] | Denial:
        """Read documents in the order of `names` (`namespace/name` for accounts).

        Raises:
            StoreUnavailable: they could not be read.
        """
        if not 1 <= len(names) <= MAX_DOCUMENTS:
            return _wrong_count("names", len(names))
        records = await self._read(kind, names)
        missing = [name for name, record in zip(names, records, strict=True) if record is None]
        if missing:
            return _missing(kind, missing)
        return tuple(record for record in records if record is not None)

    async def list_page(
        self, kind: Kind, *, namespace: str, page_size: int, page_token: str
    ) -> Page | Denial:
        """Read a page, ordered by name; 0 and empty texts are defaults.

        Only accounts have a namespace; others are listed whatever it is.

        Raises:
            StoreUnavailable: they could not be read.
        """
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            return invalid_field(
                "page_size", f"{page_size} is out of bounds; use 1 to {MAX_PAGE_SIZE}, or 0"
            )
        size = page_size or DEFAULT_PAGE_SIZE
        query = f"{kind}/{namespace}"
        after = read_token(query, page_token) if page_token else ""
        if after is None:
            return invalid_field(
                "page_token",
                "it is of another list; give the next_page_token of this one, or none to begin",
            )
        # One more than asked for tells whether there is a next page.
        found = await self._list(kind, namespace=namespace, after=after, limit=size + 1)
        records = tuple(found[:size])
        more = len(found) > size
        return Page(records, make_token(query, name_of(document_of(records[-1]))) if more else "")

    async def delete(
        self, kind: Kind, names: Sequence[str], *, ignore_missing: bool
    ) -> tuple[str, ...] | Denial:
        """Remove documents and answer the names of those that were there.

        Raises:
            StoreUnavailable: some may have been removed; repeat it.
        """
        if not 1 <= len(names) <= MAX_DOCUMENTS:
            return _wrong_count("names", len(names))
        if not ignore_missing:
            records = await self._read(kind, names)
            missing = [name for name, record in zip(names, records, strict=True) if record is None]
            if missing:
                return _missing(kind, missing)
        needed = await self._deleting.why_needed(kind, names)
        return needed or await self._deleting.delete(kind, names)

    async def _read(self, kind: Kind, names: Sequence[str]) -> list[DocumentRecord | None]:
        async def read(name: str) -> DocumentRecord | None:
            return await self._read_one(kind, name)

        return await each_bounded(names, read, at_once=_READS_AT_ONCE)

    async def _read_one(self, kind: Kind, name: str) -> DocumentRecord | None:
        match kind:
            case Kind.PLAN:
                return await self._plans.get_plan(PlanName(name))
            case Kind.CATALOG:
                return await self._catalogs.get_catalog() if name == CATALOG_NAME else None
            case Kind.ACCOUNT:
                view = await self._accounts.get_account(AccountName(name))
                return view.record if view is not None and not view.record.deleted else None
            case _:
                assert_never(kind)

    async def _list(
        self, kind: Kind, *, namespace: str, after: str, limit: int
    ) -> Sequence[DocumentRecord]:
        match kind:
            case Kind.PLAN:
                plans = await self._plans.list_plans()
                return [record for record in plans if record.plan.name > after][:limit]
            case Kind.CATALOG:
                catalog = await self._catalogs.get_catalog()
                return [catalog] if catalog is not None and after < CATALOG_NAME else []
            case Kind.ACCOUNT:
                return await self._accounts.list_accounts(
                    namespace=namespace or None,
                    after=AccountName(after) if after else None,
                    limit=limit,
                )
            case _:
                assert_never(kind)


def _wrong_count(field: str, count: int) -> Denial:
    return invalid_field(field, f"{count} entries; give 1 to {MAX_DOCUMENTS}")


def _missing(kind: Kind, names: Sequence[str]) -> Denial:
    return not_found(f"There is no {kind} {listed(names)}: apply it, or correct the name.")
