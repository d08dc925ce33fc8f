"""What is done for one API key: gather, decide, act."""

from collections.abc import Sequence

import structlog

from fluxrouter_operator.clients.errors import ClientError
from fluxrouter_operator.decisions.announcements import Announcement, event, key_changed
from fluxrouter_operator.decisions.conditions import Finding, State
from fluxrouter_operator.decisions.instants import parse_instant
from fluxrouter_operator.decisions.keys import (
    InOrder,
    KeyWish,
    Make,
    Refuse,
    SecretHeld,
    ServerKey,
    Way,
    decide_key,
    wishes,
)
from fluxrouter_operator.decisions.reasons import Reason
from fluxrouter_operator.decisions.secret_objects import read_secret, secret
from fluxrouter_operator.decisions.statuses import KeyFact
from fluxrouter_operator.observed import Observed
from fluxrouter_operator.reconcile.world import World

__all__ = ["KeyWorker"]

_log = structlog.get_logger()


class KeyWorker:
    """Makes, rotates and revokes keys, and keeps their Secrets. What acts may raise ClientError."""

    def __init__(self, world: World) -> None:
        self._world = world

    def remembered(self, account: Observed) -> list[KeyFact]:
        """Returns the wanted keys with what the status says of them."""
        before = {key["name"]: key for key in self._world.status(account).get("apiKeys", ())}
        return [
            KeyFact(
                wish.name,
                wish.secret_name,
                rotation=before.get(wish.name, {}).get("rotation", 0),
                created=parse_instant(before.get(wish.name, {}).get("createTime", "")),
            )
            for wish in wishes(account.spec)
        ]

    async def drop(self, account: Observed, name: str, secret_name: str) -> None:
        """Revokes a key that is wanted no more and deletes its Secret, if it is ours."""
        await self._world.server.revoke_key(account.key.server_name, name)
        namespace = account.key.namespace
        raw = await self._world.cluster.read_secret(namespace, secret_name)
        held = read_secret(raw, account, name) if raw is not None else None
        if isinstance(held, SecretHeld):
            await self._world.cluster.delete_secret(namespace, secret_name, held.resource_version)
        occasion = str(account.generation)
        await self._tell(account, key_changed(Reason.KEY_REVOKED, name, secret_name, occasion))

    async def work(
        self, account: Observed, wish: KeyWish, server: Sequence[ServerKey]
    ) -> tuple[KeyFact, Finding | None]:
        """Brings one key in order; returns what is so now, and what could not be done."""
        raw = await self._world.cluster.read_secret(account.key.namespace, wish.secret_name)
        held = read_secret(raw, account, wish.name) if raw is not None else None
        decision = decide_key(wish, server, held)
        match decision:
            case InOrder(created=created):
                fact = KeyFact(wish.name, wish.secret_name, wish.rotation, created)
                return fact, None
            case Refuse(owner=owner):
                return KeyFact(wish.name, wish.secret_name), _not_ours(wish, owner)
            case Make():
                return await self._make(account, wish, decision), None

    async def _make(self, account: Observed, wish: KeyWish, order: Make) -> KeyFact:
        server, name = self._world.server, account.key.server_name
        if order.way is Way.CREATE:
            made = await server.create_key(name, wish.name)
        else:
            made = await server.rotate_key(name, wish.name, order.grace_seconds)
        content = secret(account, wish, made.text)
        if order.secret is None:
            await self._world.cluster.create_secret(content)
        else:
            await self._world.cluster.replace_secret(content, order.secret.resource_version)
        reason = Reason.KEY_CREATED if order.way is Way.CREATE else Reason.KEY_ROTATED
        occasion = made.key.created.isoformat()
        await self._tell(account, key_changed(reason, wish.name, wish.secret_name, occasion))
        return KeyFact(wish.name, wish.secret_name, wish.rotation, made.key.created)

    async def _tell(self, account: Observed, told: Announcement) -> None:
        name = account.key.server_name
        _log.info("key_changed", account=name, what=told.reason)
        try:
            await self._world.cluster.create_event(event(account, told, self._world.now()))
        except ClientError as error:
            # The key is in order, and that counts.
            _log.info("event_not_written", account=name, error=str(error))


def _not_ours(wish: KeyWish, owner: str) -> Finding:
    return Finding(
        State.FALSE,
        Reason.SECRET_NOT_OURS,
        f"The key {wish.name} is not made: the Secret {wish.secret_name} belongs to {owner} and is "
        "never overwritten. Delete that Secret, or give the key another one under another name.",
    )
