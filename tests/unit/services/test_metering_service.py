from dataclasses import replace

import pytest

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.hold_ids import HoldRef, format_hold_id, request_key
from fluxrouter_server.domain.ids import AccountUid, KeyHash, KeyName, Principal, RequestId
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL, Caller, KeyIdentity, Scope
from fluxrouter_server.services.metering_service import RequestRef
from fluxrouter_server.services.routing_service import Routed
from fluxrouter_testing.use_cases import BY_NAME, UseCases

USAGE = Usage(1, 0, 0, 1)
NOBODY = AccountUid("z" * 16)
NOBODYS_HOLD = format_hold_id(
    HoldRef(0, 1, 0, NOBODY, request_key(NOBODY, RequestId("r")), attempt=1)
)


def reason(answer: object) -> Reason | None:
    return answer.reason if isinstance(answer, Denial) else None


async def test_what_is_no_hold_id_is_named(world: UseCases) -> None:
    refused = await world.metering.settle("h1.nonsense", USAGE, LOCAL)
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["hold_id"]


async def test_usage_that_cannot_be_is_refused(world: UseCases) -> None:
    refused = await world.metering.settle(NOBODYS_HOLD, replace(USAGE, input_tokens=-1), LOCAL)
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["usage.input_tokens"]


async def test_a_hold_of_an_account_that_never_was_is_not_found(world: UseCases) -> None:
    assert reason(await world.metering.settle(NOBODYS_HOLD, USAGE, LOCAL)) is Reason.HOLD_NOT_FOUND


async def test_a_key_does_not_end_holds_of_other_accounts(world: UseCases) -> None:
    key = KeyIdentity(AccountUid("a" * 16), KeyHash("0" * 64), KeyName("ci"))
    caller = Caller(Principal("key/x/ci"), frozenset(), key)
    refused = await world.metering.release(NOBODYS_HOLD, caller)
    assert reason(refused) is Reason.HOLD_NOT_YOURS


@pytest.mark.parametrize(
    "scope, refused", [(Scope.READ, True), (Scope.ROUTE, False), (Scope.METER, False)]
)
async def test_ending_holds_needs_the_scope_to_make_or_meter_them(
    world: UseCases, scope: Scope, *, refused: bool
) -> None:
    caller = Caller(Principal("service/x"), frozenset({scope}))
    answer = await world.metering.extend(
        NOBODYS_HOLD, output_tokens=1, expire_us=None, caller=caller
    )
    assert (reason(answer) is Reason.SCOPE_MISSING) is refused


async def test_an_extension_has_bounds(world: UseCases) -> None:
    refused = await world.metering.extend(
        NOBODYS_HOLD, output_tokens=-1, expire_us=None, caller=LOCAL
    )
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["max_output_tokens"]


async def test_a_request_is_released_by_its_id(world: UseCases) -> None:
    query = RouteQuery("fast-1", request_id=RequestId("r-1"), input_tokens=1)
    routed = await world.route.route(query, BY_NAME, LOCAL, time_left_us=None)
    assert isinstance(routed, Routed)
    target = RequestRef(BY_NAME, RequestId("r-1"), 1)
    await world.metering.release(target, LOCAL)
    assert not world.holds.calls


@pytest.mark.parametrize("request_id", ["", "x" * 129, "é"])
async def test_a_release_needs_an_id_that_a_request_can_have(
    world: UseCases, request_id: str
) -> None:
    target = RequestRef(BY_NAME, RequestId(request_id), 1)
    refused = await world.metering.release(target, LOCAL)
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["request_id"]
