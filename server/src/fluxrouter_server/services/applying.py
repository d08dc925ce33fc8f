"""Writes documents: all are valid or none is written."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, assert_never

from fluxrouter_server.domain.accounts import Account
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.domain.limits import AccountRecord
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.routing.tier_policies import TierPolicies
from fluxrouter_server.services.bounded import each_bounded
from fluxrouter_server.services.consistency import World, violations
from fluxrouter_server.services.control_documents import (
    Applied,
    Document,
    DocumentRecord,
    Kind,
    applied,
    document_of,
    kind_of,
    name_of,
)
from fluxrouter_server.services.ports.documents import (
    AccountStore,
    CatalogStore,
    Change,
    PlanStore,
)
from fluxrouter_server.services.refusals import invalid

#: What others refer to goes first, so that no decision in between finds a reference without it.
_ORDER: Final = (Kind.CATALOG, Kind.PLAN, Kind.ACCOUNT)
# A plan is a write to each shard; a few at a time fill the connection and leave room for decisions.
_AT_ONCE: Final = {Kind.CATALOG: 1, Kind.PLAN: 4, Kind.ACCOUNT: 64}
_READS_AT_ONCE: Final = 64


class Applying:
    """Checks documents and writes them.

    The check and the writes are not one step: a plan that is deleted in between leaves its new
    account without one. Such an account is refused with the name of the plan until it is mended.
    """

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
        self._policies = policies

    async def apply(
        self, documents: Sequence[Document], *, validate_only: bool
    ) -> tuple[Applied, ...] | Denial:
        """Write documents, or say what would become of them; answers are in the order given.

        Raises:
            StoreUnavailable: some may have been written.
        """
        refused = invalid(violations(documents, await self._world(documents)))
        if refused is not None:
            return refused
        do = self._preview if validate_only else self._write
        results = await self._in_order(documents, do)
        return tuple(results[index] for index in range(len(documents)))

    async def _in_order(
        self, documents: Sequence[Document], do: Callable[[Document], Awaitable[Applied]]
    ) -> Mapping[int, Applied]:
        results: dict[int, Applied] = {}
        for kind in _ORDER:
            of_kind = [index for index, item in enumerate(documents) if kind_of(item) is kind]
            done = await each_bounded(
                [documents[index] for index in of_kind], do, at_once=_AT_ONCE[kind]
            )
            results.update(zip(of_kind, done, strict=True))
        return results

    async def _world(self, documents: Sequence[Document]) -> World:
        given = {item.name: item for item in documents if isinstance(item, Plan)}
        catalog = next((item for item in documents if isinstance(item, Catalog)), None)
        kept: list[Plan] = []
        if catalog is None:
            stored = await self._catalogs.get_catalog()
            catalog = stored.catalog if stored is not None else None
        else:
            records = await self._plans.list_plans()
            kept = [record.plan for record in records if record.plan.name not in given]
        plans = await self._stored_plans(
            [
                item.plan
                for item in documents
                if isinstance(item, Account) and item.plan and item.plan not in given
            ]
        )
        return World(catalog, {**plans, **given}, self._policies, kept)

    async def _stored_plans(self, names: Sequence[PlanName]) -> Mapping[PlanName, Plan]:
        records = await each_bounded(
            list(dict.fromkeys(names)), self._plans.get_plan, at_once=_READS_AT_ONCE
        )
        return {record.plan.name: record.plan for record in records if record is not None}

    async def _write(self, document: Document) -> Applied:
        match document:
            case Plan():
                plan = await self._plans.put_plan(document)
                return applied(plan.record, plan.change)
            case Account():
                account = await self._accounts.put_account(document)
                return applied(account.record, account.change)
            case Catalog():
                catalog = await self._catalogs.put_catalog(document)
                return applied(catalog.record, catalog.change)
            case _:
                assert_never(document)

    async def _preview(self, document: Document) -> Applied:
        record = await self._stored(document)
        if record is None:
            return Applied(kind_of(document), name_of(document), Change.CREATED, None, "")
        if isinstance(record, AccountRecord) and record.deleted:
            return applied(record, Change.CREATED)
        same = document_of(record) == document
        return applied(record, Change.UNCHANGED if same else Change.CONFIGURED)

    async def _stored(self, document: Document) -> DocumentRecord | None:
        match document:
            case Plan():
                return await self._plans.get_plan(document.name)
            case Account():
                view = await self._accounts.get_account(document.name)
                return view.record if view is not None else None
            case Catalog():
                return await self._catalogs.get_catalog()
            case _:
                assert_never(document)
