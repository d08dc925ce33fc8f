"""Writes status and tells events: whatever differs from what the cluster has, and no more.

A key in the queue only says where to look; the status is composed when its turn comes. So many
changes in a row are one write.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from fluxrouter_operator.clients.errors import ClusterConflict, ClusterMissing, ClusterRefused
from fluxrouter_operator.decisions.announcements import (
    Alarm,
    Announcement,
    alarm,
    event,
    recovery,
    threshold,
)
from fluxrouter_operator.decisions.conditions import Standing
from fluxrouter_operator.decisions.spend_status import crossings
from fluxrouter_operator.decisions.statuses import (
    AccountFacts,
    account_status,
    catalog_status,
    plan_status,
)
from fluxrouter_operator.observed import Key, Kind, Observed
from fluxrouter_operator.reconcile.memory import Known
from fluxrouter_operator.reconcile.world import World

__all__ = ["StatusWriter"]

_log = structlog.get_logger()

_DEFAULT_PERCENTS: Final = (80, 100)


class StatusWriter:
    """Composes and writes the status of resources."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._settle = timedelta(seconds=world.pace.settle_seconds)

    def is_due(self, observed: Observed) -> bool:
        """Whether a status differs from what it should be, or something is to be told."""
        status = dict(self._world.status(observed))
        composed = self._compose(observed)
        return composed is not None and (
            composed != status or self._untold_alarm(observed, composed) is not None
        )

    async def write(self, observed: Observed) -> None:
        """Writes the status of a resource where it differs, and tells what is worth telling.

        Raises:
            ClientError: it was not written; try again later. Events may have been told: their names
                keep them from being told twice.
        """
        known = self._world.known(observed)
        async with known.writing:
            before = dict(self._world.status(observed))
            after = self._compose(observed)
            if after is None:
                return
            for told in self._news(before, after):
                await self._tell(observed, told)
            await self._tell_alarm(observed, known, after)
            if after == before:
                return
            try:
                await self._world.cluster.write_status(observed, after)
            except (ClusterMissing, ClusterConflict):
                return  # gone, or another one of the same name: the watch stream tells of either
            known.written = after

    def _compose(self, observed: Observed) -> dict[str, Any] | None:
        """Returns the status that should be; None while nothing is known."""
        known = self._world.known(observed)
        silence = self._world.health.said
        if known.accepted is None and known.trouble is None and silence is None:
            return None
        standing = Standing(
            generation=observed.generation,
            accepted=known.accepted,
            acknowledged=known.acknowledged,
            silence=silence,
            trouble=known.trouble,
        )
        before, now = self._world.status(observed), self._world.now()
        match observed.key.kind:
            case Kind.PLAN:
                accounts = len(self._world.view.accounts_of(observed.key.name))
                return plan_status(standing, accounts, before, now)
            case Kind.CATALOG:
                return catalog_status(standing, len(observed.spec.get("models", ())), before, now)
            case Kind.ACCOUNT:
                facts = self._facts(observed, known, standing)
                return account_status(facts, observed.spec, before, now)

    def _facts(self, observed: Observed, known: Known, standing: Standing) -> AccountFacts:
        plan = self._world.view.get(Key(Kind.PLAN, "", str(observed.spec.get("plan", ""))))
        percents = plan.spec.get("alertPercents") if plan is not None else None
        return AccountFacts(standing, known.spend, percents or _DEFAULT_PERCENTS, known.keys)

    def _news(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Announcement]:
        again = recovery(before, after, self._world.now(), self._settle)
        if again is not None:
            yield again
        for crossing in crossings(after.get("spend", {}), before.get("spend", {})):
            yield threshold(crossing)

    async def _tell_alarm(
        self, observed: Observed, known: Known, status: Mapping[str, Any]
    ) -> None:
        found = self._untold_alarm(observed, status)
        if found is not None:
            await self._tell(observed, found.told)
            known.told = found.told
        elif alarm(status, self._world.now()) is not None:
            self._world.statuses.add_after(observed.key, self._settle.total_seconds())

    def _untold_alarm(self, observed: Observed, status: Mapping[str, Any]) -> Alarm | None:
        found = alarm(status, self._world.now())
        if found is None or not found.lasts(self._world.now(), self._settle):
            return None
        return found if self._world.known(observed).told != found.told else None

    async def _tell(self, observed: Observed, told: Announcement) -> None:
        try:
            await self._world.cluster.create_event(event(observed, told, self._world.now()))
        except ClusterRefused as error:
            # A namespace that is being deleted takes no events, and status matters more.
            _log.info("event_refused", key=observed.key.server_name, error=str(error))
