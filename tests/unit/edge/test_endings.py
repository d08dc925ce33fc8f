"""Every hold ends once, and lives as long as its answer, whatever the store does meanwhile."""

from typing import Any

from fluxrouter_server.dialects.chat_completions import ChatMeter
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import Hold, HoldState, Receipt
from fluxrouter_server.domain.ids import HoldId, LaneId, ModelId, RequestId
from fluxrouter_server.domain.pricing import Rates, Usage
from fluxrouter_server.edge.charging import estimated_usage, metered_usage
from fluxrouter_server.edge.endings import EDGE, Endings
from fluxrouter_server.edge.keeping import Keeper
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.holds import Extended
from fluxrouter_testing.waiting import eventually_async

NOW_US = 1_800_000_000_000_000
USAGE = Usage(10, 0, 0, 5)


def hold(*, life_us: int = 120_000_000) -> Hold:
    return Hold(
        id=HoldId("h"),
        request_id=RequestId("r"),
        attempt=1,
        state=HoldState.ACTIVE,
        model=ModelId("m"),
        lane=LaneId("l"),
        upstream="u",
        upstream_model="m",
        tier=None,
        rates=Rates(1000, 1000, 1000, 4000),
        input_tokens=100,
        granted_output_tokens=50,
        wished_output_tokens=50,
        held_nano_usd=1,
        headroom_nano_usd=1,
        expire_us=NOW_US + life_us,
        period_end_us=NOW_US + 10**12,
        would_deny="",
    )


def receipt() -> Receipt:
    return Receipt(
        HoldId("h"), RequestId("r"), 1, HoldState.SETTLED, False, 1, 1, 0, 1, 0, 1, None, None
    )


class Metering:
    """Answers one after another, and raises what is an exception; the last one again and again."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, Any]] = []

    async def settle(self, _: str, usage: Usage, caller: object) -> object:
        return self._answer("settle", usage, caller)

    async def release(self, _: str, caller: object) -> object:
        return self._answer("release", None, caller)

    async def extend(self, _: str, **told: object) -> object:
        return self._answer("extend", told["expire_us"], told["caller"])

    def _answer(self, what: str, told: object, caller: object) -> object:
        assert caller is EDGE
        self.calls.append((what, told))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_settlement_is_repeated_until_the_store_has_it() -> None:
    away = StoreUnavailable("away", outcome_unknown=True)
    metering = Metering(away, away, receipt())
    assert await Endings(metering).settle(hold(), USAGE) == receipt()
    assert metering.calls == [("settle", USAGE)] * 3


async def test_a_release_that_is_refused_is_not_repeated() -> None:
    metering = Metering(Denial(Reason.HOLD_TOO_OLD, "old"))
    await Endings(metering).release(hold())
    assert metering.calls == [("release", None)]


async def test_a_usage_that_cannot_be_charges_what_was_held() -> None:
    metering = Metering(receipt())
    await Endings(metering).settle(hold(), Usage(-1, 0, 0, 10**12))
    assert metering.calls == [("settle", Usage(100, 0, 0, 50))]


async def test_a_hold_is_extended_before_its_end_and_left_alone_afterwards() -> None:
    metering = Metering(Extended(1, 50, NOW_US, 1))
    async with Keeper(metering, lambda: NOW_US).kept(hold(life_us=1_000_000)):
        await eventually_async(lambda: metering.calls)
    assert metering.calls == [("extend", NOW_US + 1_000_000)]


async def test_an_extension_is_tried_again_when_the_store_is_away() -> None:
    metering = Metering(StoreUnavailable("away", outcome_unknown=True), Extended(1, 50, NOW_US, 1))
    async with Keeper(metering, lambda: NOW_US).kept(hold(life_us=1_000_000)):
        await eventually_async(lambda: len(metering.calls) == 2)


def test_an_estimate_takes_four_bytes_or_an_event_for_a_token_and_no_more_than_was_held() -> None:
    def guess(**told: int) -> tuple[int, int]:
        usage = estimated_usage(hold(), choices=told.pop("choices", 1), **told)
        return usage.input_tokens, usage.output_tokens

    assert guess(size_bytes=9, output_bytes=9) == (3, 3)
    assert guess(size_bytes=0, output_bytes=9, deltas=7) == (0, 7)
    assert guess(size_bytes=10**6, output_bytes=10**6) == (100, 50)
    assert guess(size_bytes=10**6, output_bytes=10**6, choices=2) == (100, 100)


def test_what_the_upstream_tells_goes_before_any_estimate() -> None:
    meter = ChatMeter(hides_usage=False)
    meter.output_bytes, meter.deltas = 40, 10
    assert metered_usage(hold(), meter, choices=1, size_bytes=40) == Usage(10, 0, 0, 10)
    meter.input_usage = Usage(7, 1, 0, 0)
    assert metered_usage(hold(), meter, choices=1, size_bytes=40) == Usage(7, 1, 0, 10)
    meter.usage = USAGE
    assert metered_usage(hold(), meter, choices=1, size_bytes=40) == USAGE
