"""Lets resources go: first at the server, then in the cluster."""

from collections.abc import Sequence

import structlog

from fluxrouter_operator.clients.errors import (
    ClientError,
    ClusterMissing,
    ServerRefused,
    ServerUnreachable,
)
from fluxrouter_operator.decisions.conditions import Finding, State
from fluxrouter_operator.decisions.keys import owned_keys
from fluxrouter_operator.decisions.reasons import Reason
from fluxrouter_operator.decisions.verdicts import deletion_refused
from fluxrouter_operator.observed import Key, Kind, Observed
from fluxrouter_operator.reconcile.dependents import Dependents
from fluxrouter_operator.reconcile.world import World

__all__ = ["Deleting"]

_log = structlog.get_logger()


class Deleting:
    """Ends admission of deleted accounts, and deletes plans and catalogs that nobody needs."""

    def __init__(self, world: World, dependents: Dependents) -> None:
        self._world = world
        self._dependents = dependents

    async def delete(self, observed: Sequence[Observed]) -> list[Observed]:
        """Deletes resources that are to go, and gives them back to the queue.

        Accounts go first: plans may be waiting for them. Returns those that have to stay in force
        because others need them.
        """
        needed: list[Observed] = []
        for kind in reversed(Kind):
            of_kind = [item for item in observed if item.key.kind is kind]
            if not of_kind:
                continue
            try:
                needed += await self._delete(kind, of_kind)
            except ServerUnreachable:
                for item in of_kind:
                    self._world.resources.failed(item.key)
        return needed

    async def vanished(self, key: Key) -> None:
        """Forgets a resource that the cluster no longer has, and gives it back to the queue.

        Where somebody took our finalizer off by hand, the server still has it.
        """
        known = self._world.memory.find(key)
        try:
            if known is not None and known.acknowledged is not None:
                await self._world.server.delete(key.kind, [key.server_name])
        except ServerUnreachable:
            self._world.resources.failed(key)
            return
        except ServerRefused as error:
            _log.warning("not_deleted", kind=key.kind, key=key.server_name, error=str(error))
        self._dependents.gone(key, self._world.memory.forget(key))
        self._world.resources.done(key)

    async def _delete(self, kind: Kind, observed: Sequence[Observed]) -> list[Observed]:
        needed: list[Observed] = []
        if kind is Kind.ACCOUNT:
            await self._end_accounts(observed)
        for item in observed:
            objection = None if kind is Kind.ACCOUNT else await self._try(item)
            if objection is None:
                await self._let_go(item)
            else:
                self._object(item, objection)
                needed.append(item)
        return needed

    async def _end_accounts(self, accounts: Sequence[Observed]) -> None:
        """Ends admission. Our keys are revoked, or they would work again for a revived account."""
        for account in accounts:
            for key in owned_keys(account.spec, self._world.status(account)):
                await self._world.server.revoke_key(account.key.server_name, key)
        await self._world.server.delete(
            Kind.ACCOUNT, [account.key.server_name for account in accounts]
        )

    async def _try(self, item: Observed) -> Finding | None:
        """Deletes a plan or catalog at the server, or returns why that cannot be."""
        if item.key.kind is Kind.PLAN and (users := self._world.view.accounts_of(item.key.name)):
            return deletion_refused([key.server_name for key in users])
        try:
            await self._world.server.delete(item.key.kind, [item.key.server_name])
        except ServerRefused as refusal:
            message = f"It is still needed: {refusal.message} Until then it stays in force."
            return Finding(State.FALSE, Reason.DELETION_REFUSED, message)
        return None

    def _object(self, item: Observed, objection: Finding) -> None:
        self._world.known(item).trouble = objection
        self._world.statuses.add(item.key)
        # Accounts that only the server knows bring no event when they go.
        self._world.resources.add_after(item.key, self._world.pace.refused_seconds)
        self._world.resources.done(item.key)

    async def _let_go(self, item: Observed) -> None:
        known = self._world.known(item)
        known.acknowledged = None
        try:
            if item.is_finalized:
                await self._world.cluster.remove_finalizer(item)
        except ClusterMissing:
            pass
        except ClientError as error:
            _log.info("finalizer_not_removed", key=item.key.server_name, error=str(error))
            self._world.resources.failed(item.key)
            return
        self._world.view.release(item)
        self._dependents.gone(item.key, self._world.memory.forget(item.key))
        self._world.resources.done(item.key)
        _log.info("deleted", kind=item.key.kind, key=item.key.server_name)
