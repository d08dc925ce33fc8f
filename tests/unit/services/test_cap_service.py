from collections.abc import AsyncIterator
from dataclasses import replace

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL, Caller, Scope
from fluxrouter_server.services.cap_service import Spend
from fluxrouter_server.services.ports.holds import Fit
from fluxrouter_testing.resources import sample_account
from fluxrouter_testing.use_cases import ACCOUNT, BY_NAME, UseCases

QUERY = RouteQuery(model="fast-1", input_tokens=10)
DOLLAR = 1_000_000_000


def watch(world: UseCases) -> AsyncIterator[Spend | Denial]:
    return world.caps.watch_spend(BY_NAME, LOCAL, interval_seconds=1)


async def settled(item: Spend | Denial) -> int:
    assert isinstance(item, Spend)
    return item.reading.levels[0].settled_nano_usd


async def test_a_check_makes_no_hold(world: UseCases) -> None:
    fit = await world.caps.check(QUERY, BY_NAME, LOCAL)
    assert isinstance(fit, Fit)
    assert fit.denial is None
    assert not world.holds.calls


async def test_a_check_says_why_not_and_what_room_there_is(world: UseCases) -> None:
    await world.documents.put_account(replace(sample_account(), suspended=True))
    fit = await world.caps.check(QUERY, BY_NAME, LOCAL)
    assert isinstance(fit, Fit)
    assert fit.denial is not None
    assert fit.denial.reason is Reason.ACCOUNT_SUSPENDED
    assert fit.headroom_nano_usd == DOLLAR


async def test_a_wrong_request_is_no_answer_about_room(world: UseCases) -> None:
    refused = await world.caps.check(replace(QUERY, choices=0), BY_NAME, LOCAL)
    assert isinstance(refused, Denial)


async def test_who_may_route_may_not_read_what_was_spent(world: UseCases) -> None:
    caller = Caller(Principal("service/x"), frozenset({Scope.ROUTE}))
    assert isinstance(await world.caps.check(QUERY, BY_NAME, caller), Fit)
    refused = await world.caps.get_spend(BY_NAME, caller)
    assert isinstance(refused, Denial)
    assert refused.reason is Reason.SCOPE_MISSING


async def test_a_watch_tells_only_changes(world: UseCases) -> None:
    polls = 0

    def spend_now_and_then() -> None:
        nonlocal polls
        polls += 1
        world.holds.settled_nano_usd = polls // 3

    world.holds.interfere = spend_now_and_then
    seen = []
    async for item in watch(world):
        seen.append(await settled(item))
        if len(seen) == 3:
            break
    assert seen == [0, 1, 2]
    assert polls == 6


async def test_a_watch_ends_with_its_account(world: UseCases) -> None:
    seen: list[Spend | Denial] = []
    async for item in watch(world):
        seen.append(item)
        if isinstance(item, Spend):
            world.documents.purge(ACCOUNT)
    assert isinstance(seen[-1], Denial)
    assert len(seen) == 2
