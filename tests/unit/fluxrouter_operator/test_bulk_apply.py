from collections.abc import Sequence
from typing import cast

import pytest

from fluxrouter.v1 import control_pb2
from fluxrouter_operator.clients.errors import ServerRefused
from fluxrouter_operator.clients.server import Server
from fluxrouter_operator.reconcile.bulk_apply import Applied, Refused, apply_all


class AllOrNone:
    """A server that takes all resources of a call or none, and remembers the calls.

    `names_culprits` is how many of the wrong ones it names in a refusal; real ones stop when the
    answer is full.
    """

    def __init__(self, wrong: set[str], names_culprits: int) -> None:
        self._wrong = wrong
        self._names_culprits = names_culprits
        self.calls: list[int] = []
        self.applied: list[str] = []

    async def apply(
        self, resources: Sequence[control_pb2.Resource]
    ) -> list[control_pb2.AppliedResource]:
        self.calls.append(len(resources))
        names = [resource.plan.metadata.name for resource in resources]
        wrong = [index for index, name in enumerate(names) if name in self._wrong]
        if wrong:
            named = wrong[: self._names_culprits]
            fields = {f"resources[{index}].plan.spec.feeUsd": "too much" for index in named}
            raise ServerRefused("INVALID_REQUEST", "no", fields)
        self.applied += names
        return [control_pb2.AppliedResource(name=name, generation=1) for name in names]


def plans(count: int) -> list[control_pb2.Resource]:
    resources = [control_pb2.Resource() for _ in range(count)]
    for number, resource in enumerate(resources):
        resource.plan.metadata.name = f"p-{number}"
    return resources


async def outcome(server: AllOrNone, count: int) -> list[str]:
    """The names of those that were refused, in order."""
    outcomes = await apply_all(cast("Server", server), plans(count))
    assert len(outcomes) == count
    return [f"p-{n}" for n, each in enumerate(outcomes) if isinstance(each, Refused)]


async def test_what_is_right_goes_in_one_call() -> None:
    server = AllOrNone(set(), 0)
    assert await outcome(server, 600) == []
    assert server.calls == [600]


async def test_a_call_takes_a_thousand_at_most() -> None:
    server = AllOrNone(set(), 0)
    assert await outcome(server, 2500) == []
    assert server.calls == [1000, 1000, 500]


@pytest.mark.parametrize("names_culprits", [0, 1, 2, 99])
async def test_culprits_are_set_aside_and_all_others_applied(names_culprits: int) -> None:
    server = AllOrNone({"p-3", "p-7", "p-40"}, names_culprits)
    assert await outcome(server, 50) == ["p-3", "p-7", "p-40"]
    assert len(set(server.applied)) == len(server.applied) == 47


async def test_named_culprits_cost_one_call_more() -> None:
    server = AllOrNone({"p-3", "p-7"}, 99)
    await outcome(server, 50)
    assert server.calls == [50, 48]


async def test_a_refusal_says_which_field_without_its_place_in_the_call() -> None:
    server = AllOrNone({"p-1"}, 1)
    outcomes = await apply_all(cast("Server", server), plans(3))
    assert outcomes[1] == Refused("spec.feeUsd: too much")
    assert isinstance(outcomes[0], Applied)


async def test_nothing_to_apply_is_no_call() -> None:
    server = AllOrNone(set(), 0)
    assert await outcome(server, 0) == []
    assert server.calls == []
