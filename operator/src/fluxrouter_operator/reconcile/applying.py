"""Makes the server have what the cluster has: the catalog, then plans, then accounts.

A pass takes whatever is to be looked at, judges each by itself, and sends all that differ from what
the server acknowledged in one call. So a change of one plan is one call, and a start with ten
thousand accounts is a few dozen.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog

from fluxrouter.v1 import control_pb2
from fluxrouter_operator.clients.errors import ClientError, ServerRefused, ServerUnreachable
from fluxrouter_operator.decisions.conditions import ACCEPTED, Acknowledgement, Finding
from fluxrouter_operator.decisions.documents import DocumentError, digest, to_resource
from fluxrouter_operator.decisions.verdicts import AccountWorld, judge_account, refused
from fluxrouter_operator.observed import Key, Kind, Observed
from fluxrouter_operator.reconcile.bulk_apply import Applied, Outcome, Refused, apply_all
from fluxrouter_operator.reconcile.dependents import Dependents
from fluxrouter_operator.reconcile.spend_reading import SpendReading
from fluxrouter_operator.reconcile.world import World

__all__ = ["Applying"]

_log = structlog.get_logger()

_FINALIZERS_AT_ONCE: Final = 16


class Applying:
    """One worker; a pass at a time."""

    def __init__(self, world: World, dependents: Dependents, reading: SpendReading) -> None:
        self._world = world
        self._dependents = dependents
        self._reading = reading

    async def apply(self, observed: Sequence[Observed]) -> None:
        """Applies resources that are there and are to stay (or can't go yet), kind after kind.

        All of them are given back to the queue, done or failed.
        """
        for kind in Kind:
            of_kind = [item for item in observed if item.key.kind is kind]
            try:
                await self._apply_kind(await self._finalized(of_kind))
            except ServerUnreachable:
                for item in of_kind:
                    self._world.resources.failed(item.key)

    async def _finalized(self, observed: Sequence[Observed]) -> list[Observed]:
        """Puts our finalizer on what lacks it; returns what has one.

        Nothing is enforced without: its deletion could be missed.
        """
        bound = asyncio.Semaphore(_FINALIZERS_AT_ONCE)

        async def add(item: Observed) -> Observed | None:
            if item.is_finalized or item.deleting:
                return item
            async with bound:
                try:
                    await self._world.cluster.add_finalizer(item)
                except ClientError as error:
                    # Mostly that it has changed just now, which also brings it back.
                    _log.info("finalizer_not_added", key=item.key.server_name, error=str(error))
                    self._world.resources.failed(item.key)
                    return None
            return item

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(add(item)) for item in observed]
        return [item for task in tasks if (item := task.result()) is not None]

    async def _apply_kind(self, observed: Sequence[Observed]) -> None:
        sent: list[tuple[Observed, bytes]] = []
        resources: list[control_pb2.Resource] = []
        for item in observed:
            resource = self._judge(item)
            if resource is None:
                self._world.statuses.add(item.key)
                self._world.resources.done(item.key)
            else:
                sent.append((item, digest(resource)))
                resources.append(resource)
        if not sent:
            return
        outcomes = await apply_all(self._world.server, resources)
        refusals = sum(isinstance(outcome, Refused) for outcome in outcomes)
        kind = sent[0][0].key.kind
        _log.info("applied", kind=kind, resources=len(outcomes), refused=refusals)
        for (item, content), outcome in zip(sent, outcomes, strict=True):
            self._learn(item, content, outcome)
        await self._read_spends([item for item, _ in sent if item.key.kind is Kind.ACCOUNT])
        for item, _ in sent:
            self._world.statuses.add(item.key)
            self._world.resources.done(item.key)

    async def _read_spends(self, accounts: Sequence[Observed]) -> None:
        """Reads what new accounts have spent, so that their first status says it."""
        known = [(item.key, self._world.known(item)) for item in accounts]
        new = [key for key, each in known if each.acknowledged is not None and each.spend is None]
        with contextlib.suppress(ServerUnreachable, ServerRefused):
            await self._reading.read_accounts(new)

    def _judge(self, item: Observed) -> control_pb2.Resource | None:
        """Returns what is to be sent; None where nothing is, and then its status says why."""
        known = self._world.known(item)
        self._dependents.before(item, known)
        if item.key.kind is Kind.ACCOUNT:
            verdict = judge_account(self._account_world(item))
            if verdict is not ACCEPTED:
                self._refuse(item, verdict)
                return None
        try:
            resource = to_resource(item)
        except DocumentError as error:
            self._refuse(item, refused(str(error)))
            return None
        acknowledged = known.acknowledged
        if acknowledged is None or known.is_suspect or acknowledged.digest != digest(resource):
            return resource
        self._accept(item, acknowledged.digest, _applied(acknowledged))
        return None

    def _account_world(self, item: Observed) -> AccountWorld:
        plan = str(item.spec.get("plan", ""))
        view = self._world.view
        return AccountWorld(
            account=item,
            plan=view.get(Key(Kind.PLAN, "", plan)),
            plan_enforced=self._world.is_enforced(plan),
            namespace_labels=view.namespace_labels(item.key.namespace),
        )

    def _learn(self, item: Observed, content: bytes, outcome: Outcome) -> None:
        match outcome:
            case Refused(message=message):
                self._refuse(item, refused(message))
            case Applied():
                self._accept(item, content, outcome)

    def _refuse(self, item: Observed, verdict: Finding) -> None:
        world, name = self._world, item.key.server_name
        known = world.known(item)
        if known.accepted != verdict:
            _log.info("not_accepted", kind=item.key.kind, key=name, why=verdict.reason)
        known.accepted = verdict
        # Its cause may lie where no event comes from.
        world.resources.add_after(item.key, world.pace.refused_seconds)

    def _accept(self, item: Observed, content: bytes, outcome: Applied) -> None:
        world = self._world
        known = world.known(item)
        is_news = known.acknowledged is None or known.acknowledged.digest != content
        known.accepted, known.is_suspect = ACCEPTED, False
        known.acknowledged = Acknowledgement(
            item.generation, content, outcome.generation, outcome.uid
        )
        if is_news:
            _log.debug("enforced", kind=item.key.kind, key=item.key.server_name)
            self._dependents.after(item)
        is_news = is_news or known.keys_generation != item.generation
        if item.key.kind is Kind.ACCOUNT and is_news:
            known.keys_generation = item.generation
            if world.wants_keys(item):
                world.keys.add(item.key)


def _applied(acknowledged: Acknowledgement) -> Applied:
    return Applied(acknowledged.server_generation, acknowledged.server_uid)
