"""Removes documents that nothing else needs."""

from collections.abc import Collection, Sequence
from typing import Final, assert_never

from fluxrouter_server.domain.checks import listed
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountName, PlanName
from fluxrouter_server.services.bounded import each_bounded
from fluxrouter_server.services.control_documents import CATALOG_NAME, Kind
from fluxrouter_server.services.ports.documents import AccountStore, CatalogStore, PlanStore

_AT_ONCE: Final = 32
_SCAN_PAGE: Final = 1_000


class Deleting:
    """Looks first, for all names, then removes."""

    def __init__(self, *, plans: PlanStore, accounts: AccountStore, catalogs: CatalogStore) -> None:
        self._plans = plans
        self._accounts = accounts
        self._catalogs = catalogs

    async def why_needed(self, kind: Kind, names: Sequence[str]) -> Denial | None:
        """Say what still needs one of the documents; None where nothing does.

        For a plan all accounts are read, a page at a time: no index of them is kept, because each
        change of an account would pay for it and plans are seldom deleted. It takes about a second
        for 100,000 accounts, and ends with the first account found.

        Raises:
            StoreUnavailable: it could not be found out.
        """
        match kind:
            case Kind.ACCOUNT:
                return None
            case Kind.PLAN:
                user = await self._account_on({PlanName(name) for name in names})
                if user is None:
                    return None
                account, plan = user
                return _in_use(
                    f"The account {account} is on the plan {plan}: move its accounts to another "
                    "plan, or delete them first."
                )
            case Kind.CATALOG:
                plans = [record.plan.name for record in await self._plans.list_plans()]
                if CATALOG_NAME not in names or not plans:
                    return None
                return _in_use(f"Plans use the catalog: delete {listed(plans)} first.")
            case _:
                assert_never(kind)

    async def delete(self, kind: Kind, names: Sequence[str]) -> tuple[str, ...]:
        """Remove documents; answer the names of those that were there, in the order given.

        Raises:
            StoreUnavailable: some may have been removed.
        """

        async def delete(name: str) -> bool:
            return await self._delete(kind, name)

        unique = list(dict.fromkeys(names))
        found = await each_bounded(unique, delete, at_once=_AT_ONCE)
        return tuple(name for name, was_there in zip(unique, found, strict=True) if was_there)

    async def _delete(self, kind: Kind, name: str) -> bool:
        match kind:
            case Kind.ACCOUNT:
                return await self._accounts.delete_account(AccountName(name))
            case Kind.PLAN:
                return await self._plans.delete_plan(PlanName(name))
            case Kind.CATALOG:
                return name == CATALOG_NAME and await self._catalogs.delete_catalog()
            case _:
                assert_never(kind)

    async def _account_on(self, plans: Collection[PlanName]) -> tuple[AccountName, PlanName] | None:
        after: AccountName | None = None
        while True:
            page = await self._accounts.list_accounts(namespace=None, after=after, limit=_SCAN_PAGE)
            for record in page:
                if record.account.plan in plans:
                    return record.account.name, record.account.plan
            if len(page) < _SCAN_PAGE:
                return None
            after = page[-1].account.name


def _in_use(message: str) -> Denial:
    return Denial(Reason.RESOURCE_IN_USE, message)
