"""Killed at any step and started again, the operator ends where it would have ended anyway."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import pytest

from fluxrouter_server.cli.session import Session
from fluxrouter_testing.fleet import running_fleet
from fluxrouter_testing.kubernetes_api import KubernetesApi, Refused
from fluxrouter_testing.kubernetes_end_state import end_state
from fluxrouter_testing.kubernetes_samples import (
    API_VERSION,
    Document,
    account_document,
    catalog_document,
    path_of,
    plan_document,
)
from fluxrouter_testing.reconciler_lives import live

#: Fewer would be no story, more would be a loop.
STEPS = range(3, 60)


@dataclass
class Stage:
    """A cluster and a server on which the same story is told many times, under other names."""

    api: KubernetesApi
    address: str
    session: Session
    numbers: Iterator[int] = field(default_factory=count)


class Story:
    """What was there before, and what changes then."""

    def __init__(self, stage: "Stage", name: str) -> None:
        self.stage = stage
        self.name = name

    def begin(self) -> None:
        """Makes what was there before."""
        self.apply(catalog_document())

    def change(self) -> None:
        """Changes something."""
        raise NotImplementedError

    def clear(self) -> None:
        """Takes everything out of the cluster, so that the next story is told on an empty stage."""
        for kind in ("accounts", "plans"):
            for item in self.stage.api.call("GET", f"/apis/{API_VERSION}/{kind}")["items"]:
                path = f"{path_of(item)}/{item['metadata']['name']}"
                self.stage.api.call("PATCH", path, {"metadata": {"finalizers": []}})
                self.delete(path)
        self.delete("/api/v1/namespaces/default/secrets")

    def delete(self, path: str) -> None:
        with suppress(Refused):  # it is gone: its finalizer was the last
            self.stage.api.call("DELETE", path)

    def apply(self, *documents: Document) -> None:
        for document in documents:
            self.stage.api.put(path_of(document), document)

    def key(self, key_name: str, **secret: object) -> Document:
        return {"name": key_name, "secret": {"name": f"{self.name}-{key_name}", **secret}}

    def account(self, *keys: Document, plan: str = "") -> Document:
        return account_document(self.name, plan=plan or self.name, apiKeys=list(keys))


class NewAccount(Story):
    """An account with a key is applied together with its plan."""

    def change(self) -> None:
        self.apply(plan_document(self.name), self.account(self.key("ci")))


class Everything(Story):
    """In one edit a key is rotated, one removed, one added, and the account gets another plan."""

    def begin(self) -> None:
        super().begin()
        self.apply(plan_document(self.name), self.account(self.key("ci"), self.key("cd")))

    def change(self) -> None:
        keys = self.key("ci", rotation=1, rotationGraceSeconds=0), self.key("new")
        other = f"{self.name}-2"
        self.apply(plan_document(other, capUsd="0.50"), self.account(*keys, plan=other))


class Deletion(Story):
    """A plan is deleted, and then the account that uses it."""

    def begin(self) -> None:
        super().begin()
        self.apply(plan_document(self.name), self.account(self.key("ci")))

    def change(self) -> None:
        self.delete(f"{path_of(plan_document())}/{self.name}")
        self.delete(f"{path_of(self.account())}/{self.name}")


@pytest.fixture(scope="module")
def stage(kubernetes: KubernetesApi) -> Iterator[Stage]:
    with running_fleet(servers=1) as fleet:
        server = fleet.servers[0]
        yield Stage(kubernetes, server.address, server.session())


@pytest.mark.parametrize("story", [NewAccount, Everything, Deletion])
async def test_a_killed_operator_ends_where_it_would_have_ended(
    stage: Stage, story: type[Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(stage.api.kubeconfig))
    expected, steps = await told(stage, story, None)
    assert len(steps) in STEPS
    for last_step in range(1, len(steps) + 1):
        state, done = await told(stage, story, last_step)
        assert state == expected, f"killed after {done}"


async def told(stage: Stage, story: type[Story], last_step: int | None) -> tuple[str, list[str]]:
    """Tells a story, with the operator killed after a step of its second part.

    Returns what it came to, as text without the story's name, and the steps that were done.
    """
    name = f"c-{next(stage.numbers)}-"
    teller = story(stage, f"{name}a")
    teller.begin()
    await live(stage.address)
    teller.change()
    done = await live(stage.address, last_step=last_step)
    if last_step is not None:
        await live(stage.address)
    state = end_state(stage.api, stage.session, lambda other: other.startswith(name))
    teller.clear()
    return repr(state).replace(name, ""), done
