"""Whatever was edited in whatever order, what comes of it is what a fresh start would give."""

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fluxrouter_testing.fleet import running_fleet
from fluxrouter_testing.kubernetes_api import Refused
from fluxrouter_testing.kubernetes_end_state import end_state
from fluxrouter_testing.kubernetes_platform import Platform, condition, running_platform
from fluxrouter_testing.kubernetes_samples import (
    Document,
    account_document,
    path_of,
    plan_document,
)
from fluxrouter_testing.reconciler_lives import live

EDITS = 200
PLANS = ("p-0", "p-1", "p-2", "p-3")
ACCOUNTS = tuple(f"a-{number}" for number in range(8))
NAMESPACES = ("default", "other")
ZONES = ("UTC", "Europe/Berlin", "Mars/Olympus")


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform() as started:
        started.api.kubectl("create", "namespace", "other")
        yield started


class Editor:
    """Somebody who edits without a plan, and mends what is wrong in the end."""

    def __init__(self, platform: Platform, chance: random.Random) -> None:
        self._platform = platform
        self._chance = chance

    def edit(self) -> None:
        """Does one of the things that people do; some of it is refused."""
        choice = self._chance.choice
        edits = (
            *[self._put_account] * 6,
            *[self._put_plan] * 3,
            self._delete_account,
            self._delete_plan,
            self._label_namespace,
        )
        with suppress(Refused):
            choice(edits)()

    def mend(self) -> None:
        """Gives every account a plan that exists and a zone on Earth."""
        for plan in PLANS[:2]:
            self._put(plan_document(plan))
        for account in self._all("accounts"):
            spec = account["spec"]
            wanted = {
                **spec,
                "plan": self._chance.choice(PLANS[:2]),
                "billing": {"timeZone": "Europe/Berlin"},
            }
            meta = account["metadata"]
            self._put(account_document(meta["name"], meta["namespace"], **wanted))

    def unsettled(self) -> list[Document]:
        """Resources that are neither ready nor on their way out for a reason."""
        items = self._all("accounts") + self._all("plans")
        return [item for item in items if not _is_settled(item)]

    def _put_account(self) -> None:
        choice, number = self._chance.choice, self._chance.randint
        name = choice(ACCOUNTS)
        keys = [
            {
                "name": key,
                "secret": {"name": f"{name}-{key}-{number(0, 1)}", "rotation": number(0, 2)},
            }
            for key in self._chance.sample(("ci", "cd", "web"), number(0, 2))
        ]
        budgets = [{"name": "b", "matchLabels": {"team": "x"}, "capUsd": f"0.{number(1, 9)}"}]
        document = account_document(
            name,
            choice(NAMESPACES),
            plan=choice((*PLANS, "nowhere")),
            suspended=choice((True, False)),
            billing={"timeZone": choice(ZONES)},
            apiKeys=keys,
            budgets=budgets[: number(0, 1)],
        )
        self._put(document)

    def _put_plan(self) -> None:
        selector = self._chance.choice((None, {"matchLabels": {"paid": "yes"}}))
        spec = {} if selector is None else {"namespaceSelector": selector}
        cap = f"0.{self._chance.randint(1, 99):02}"
        self._put(plan_document(self._chance.choice(PLANS), capUsd=cap, **spec))

    def _delete_account(self) -> None:
        name, namespace = self._chance.choice(ACCOUNTS), self._chance.choice(NAMESPACES)
        self._platform.api.call("DELETE", f"{path_of(account_document('', namespace))}/{name}")

    def _delete_plan(self) -> None:
        name = self._chance.choice(PLANS)
        self._platform.api.call("DELETE", f"{path_of(plan_document())}/{name}")

    def _label_namespace(self) -> None:
        labels = {"paid": self._chance.choice(("yes", "no"))}
        name = self._chance.choice(NAMESPACES)
        change = {"metadata": {"labels": labels}}
        self._platform.api.call("PATCH", f"/api/v1/namespaces/{name}", change)

    def _put(self, document: Document) -> None:
        self._platform.api.put(path_of(document), document)

    def _all(self, kind: str) -> list[Document]:
        path = f"/apis/fluxrouter.ai/v1alpha1/{kind}"
        items: list[Document] = self._platform.api.call("GET", path)["items"]
        return items


def _is_settled(item: Document) -> bool:
    ready = condition(item.get("status", {}), "Ready")
    is_current = ready.get("observedGeneration") == item["metadata"]["generation"]
    if "deletionTimestamp" in item["metadata"]:
        return is_current and ready.get("reason") == "DeletionRefused"
    return is_current and ready.get("status") == "True"


async def test_random_edits_converge_to_what_a_fresh_start_gives(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to repeat what failed
    editor = Editor(platform, random.Random(seed))
    for number in range(EDITS):
        editor.edit()
        if number % 67 == 66:
            platform.operator.kill()
            platform.operator.start(wait=False)
    editor.mend()
    try:
        platform.wait(lambda: not editor.unsettled())
    except AssertionError:
        assert editor.unsettled() == []
    converged = end_state(platform.api, platform.session, lambda _: True)
    platform.operator.stop()
    monkeypatch.setenv("KUBECONFIG", str(platform.api.kubeconfig))
    with running_fleet(servers=1) as fleet:
        server = fleet.servers[0]
        await live(server.address)
        fresh = end_state(platform.api, server.session(), lambda _: True)
    assert converged == fresh
