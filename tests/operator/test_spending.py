"""What an account has spent, in its status and in events, until the cap and beyond."""

import pytest

from fluxrouter_testing.kubernetes_platform import Platform
from fluxrouter_testing.kubernetes_samples import (
    Document,
    account_document,
    plan_document,
)
from fluxrouter_testing.kubernetes_traffic import denial, route, settle, spend, try_route

MONTH_SECONDS = 31 * 86_400


@pytest.fixture
def name(platform: Platform) -> str:
    """A plan and an account of this name, which no other test has."""
    unique = platform.new_name()
    platform.apply(plan_document(unique), account_document(unique, plan=unique))
    platform.wait_ready("account", unique)
    return unique


def test_spending_shows_in_the_status(platform: Platform, name: str) -> None:
    settle(platform, route(platform, name))
    open_hold = route(platform, name)
    counters = spend(platform, name)

    def shown() -> Document:
        found: Document = platform.status("account", name).get("spend", {})
        return found

    platform.wait(lambda: shown().get("heldUsd") == usd(open_hold.held_nano_usd))
    assert shown()["settledUsd"] == usd(counters.settled_nano_usd)
    assert shown()["remainingUsd"] == usd(counters.headroom_nano_usd)
    assert shown()["capUsd"] == "1.00"
    assert shown()["resetTime"].endswith("-01T00:00:00Z")
    row = platform.api.kubectl("get", "account", name).splitlines()[1].split()
    assert row[:4] == [name, name, usd(counters.settled_nano_usd), "1.00"]


def test_the_free_plan_ends_at_a_dollar_and_begins_anew(platform: Platform, name: str) -> None:
    spend_all(platform, name)
    assert denial(platform, name) == "CAP_REACHED"
    assert 995_000_000 <= spend(platform, name).settled_nano_usd <= 1_000_000_000
    platform.wait(lambda: "CapReached" in reasons(platform, name))
    platform.fleet.clock.advance(MONTH_SECONDS)
    assert route(platform, name).model == "small-1"
    platform.wait(lambda: platform.status("account", name)["spend"]["settledUsd"] == "0.00")


def test_the_cap_is_an_event_once_a_month_and_again_in_the_next(
    platform: Platform, name: str
) -> None:
    spend_all(platform, name)
    platform.wait(lambda: reasons(platform, name).count("CapReached") == 1)
    platform.operator.kill()
    platform.operator.start()
    platform.apply(account_document(name, plan=name, paymentMethod="card"))
    platform.wait_ready("account", name)
    assert reasons(platform, name).count("CapReached") == 1
    platform.fleet.clock.advance(MONTH_SECONDS)
    platform.wait(lambda: platform.status("account", name)["spend"]["settledUsd"] == "0.00")
    spend_all(platform, name)
    platform.wait(lambda: reasons(platform, name).count("CapReached") == 2)


def test_eighty_percent_is_an_event_once_a_month(platform: Platform, name: str) -> None:
    while spend(platform, name).settled_nano_usd < 850_000_000:
        settle(platform, route(platform, name))
    platform.wait(lambda: "CapThreshold" in reasons(platform, name))
    settle(platform, route(platform, name, output_tokens=1))
    latest = usd(spend(platform, name).settled_nano_usd)
    platform.wait(lambda: platform.status("account", name)["spend"]["settledUsd"] == latest)
    assert reasons(platform, name) == ["CapThreshold"]


def test_a_budget_has_its_own_figures_and_events(platform: Platform) -> None:
    name = platform.new_name()
    budget = {"name": "search", "matchLabels": {"team": "search"}, "capUsd": "0.10"}
    platform.apply(plan_document(name), account_document(name, plan=name, budgets=[budget]))
    platform.wait_ready("account", name)
    while (answer := try_route(platform, name, labels={"team": "search"})) is not None:
        settle(platform, answer)
    platform.wait(lambda: "CapReached" in reasons(platform, name))
    (level,) = platform.status("account", name)["spend"]["levels"]
    assert level["level"] == "budget/search"
    assert level["capUsd"] == "0.10"
    (message,) = [text for reason, text in platform.events(name) if reason == "CapReached"]
    assert message.startswith("The level budget/search has reached its cap")


def test_becoming_ready_is_no_news(platform: Platform, name: str) -> None:
    assert platform.events(name) == []


def test_trouble_that_lasts_is_told_and_so_is_its_end(platform: Platform) -> None:
    name = platform.new_name()
    platform.apply(account_document(name, plan=name))
    platform.wait(lambda: reasons(platform, name) == ["PlanNotFound"])
    platform.apply(plan_document(name))
    platform.wait(lambda: set(reasons(platform, name)) == {"PlanNotFound", "Ready"})


def spend_all(platform: Platform, name: str) -> None:
    while (answer := try_route(platform, name)) is not None:
        settle(platform, answer)


def usd(nano_usd: int) -> str:
    whole, rest = divmod(nano_usd, 10**9)
    return f"{whole}.{f'{rest:09}'.rstrip('0').ljust(2, '0')}"


def reasons(platform: Platform, name: str) -> list[str]:
    return [reason for reason, _ in platform.events(name)]
