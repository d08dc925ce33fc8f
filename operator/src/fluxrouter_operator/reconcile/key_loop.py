"""The loop over accounts whose API keys go into Secrets."""

import asyncio
from typing import Final

import structlog

from fluxrouter_operator.clients.errors import ClientError, ClusterRefused, ServerRefused
from fluxrouter_operator.decisions.conditions import Finding, State
from fluxrouter_operator.decisions.keys import dropped_keys, wishes
from fluxrouter_operator.decisions.reasons import Reason
from fluxrouter_operator.observed import Key, Observed
from fluxrouter_operator.reconcile.key_work import KeyWorker
from fluxrouter_operator.reconcile.status_writing import StatusWriter
from fluxrouter_operator.reconcile.world import World

__all__ = ["KeyLoop"]

_log = structlog.get_logger()

_WORKERS: Final = 8


class KeyLoop:
    """Looks at the keys of each account when it changed, and from time to time.

    Nothing tells of a Secret that somebody deleted or edited: to watch Secrets, the operator would
    need to be allowed to list all those of the cluster.
    """

    def __init__(self, world: World, writer: StatusWriter) -> None:
        self._world = world
        self._writer = writer
        self._worker = KeyWorker(world)
        self._accounts: set[Key] = set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._run_worker())

    async def _run_worker(self) -> None:
        while True:
            (key,) = await self._world.keys.take(1)
            await self.look(key)

    async def look(self, key: Key) -> None:
        """Brings the keys of one account in order, and gives it back to the queue."""
        world = self._world
        account = world.view.get(key)
        known = world.memory.find(key)
        gone = account is None or account.deleting or not world.wants_keys(account)
        if account is None or gone or known is None or known.acknowledged is None:
            self._accounts.discard(key)
            world.keys.done(key)
            return
        self._accounts.add(key)
        try:
            known.trouble = await self._bring_in_order(account)
        except (ServerRefused, ClusterRefused) as error:
            known.trouble = _failed(error)
        except ClientError as error:
            # Somebody else was first, or nobody answered: all is gathered anew.
            _log.info("keys_interrupted", account=key.server_name, error=str(error))
            world.keys.failed(key)
            return
        world.statuses.add(key)
        world.keys.done(key)
        world.keys.add_after(key, self._next_look_seconds(known.trouble))

    async def _bring_in_order(self, account: Observed) -> Finding | None:
        """Does what is to be done; returns what it could not do."""
        status = self._world.status(account)
        for name, secret_name in dropped_keys(account.spec, status):
            await self._worker.drop(account, name, secret_name)
        known = self._world.known(account)
        known.keys = self._worker.remembered(account)
        wanted = wishes(account.spec)
        if any(key.created is None for key in known.keys):
            # Named in the status before it is made: a crash must not leave a key nobody knows of.
            await self._writer.write(account)
        server = await self._world.server.keys(account.key.server_name) if wanted else ()
        facts = []
        trouble: Finding | None = None
        for wish in wanted:
            of_name = [key for key in server if key.name == wish.name]
            fact, objection = await self._worker.work(account, wish, of_name)
            facts.append(fact)
            trouble = trouble or objection
        known.keys = facts
        return trouble

    def _next_look_seconds(self, trouble: Finding | None) -> float:
        pace = self._world.pace
        if trouble is not None:
            return min(pace.secret_seconds, pace.refused_seconds)
        return max(pace.secret_seconds, len(self._accounts) / pace.secrets_per_second)


def _failed(error: ClientError) -> Finding:
    return Finding(State.FALSE, Reason.SECRET_FAILED, f"An API key is not in its Secret: {error}")
