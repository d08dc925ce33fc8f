"""OpenAI's `x-ratelimit-*`: exact, so that clients and tools pace themselves."""

from fluxrouter_testing.edge_world import Answer, EdgeWorld

PREFIX = "x-ratelimit-"


def told(answer: Answer, name: str) -> int:
    return int(answer.headers[PREFIX + name].removesuffix("ms"))


def test_what_is_left_is_told_exactly_and_comes_back_with_time(world: EdgeWorld) -> None:
    customer = world.customer("builder")  # 100 requests a second, 200 at once, 2M tokens a minute
    first, second = (customer.chat("Hello", max_tokens=100) for _ in range(2))
    assert told(first, "limit-requests") == 200
    assert [told(a, "remaining-requests") for a in (first, second)] == [199, 198]
    assert [told(a, "reset-requests") for a in (first, second)] == [10, 20]
    used = [told(a, "limit-tokens") - told(a, "remaining-tokens") for a in (first, second)]
    assert used[0] > 100
    assert used[1] == 2 * used[0]
    world.clock.advance(0.01)  # one request's interval, and tokens by the same clock
    third = customer.chat("Hello", max_tokens=100)
    assert told(third, "remaining-requests") == 198
    came_back = 2_000_000 * 10 // 60_000
    assert (
        told(third, "remaining-tokens")
        == min(2_000_000, told(second, "remaining-tokens") + came_back) - used[0]
    )


def test_what_is_told_to_be_left_is_admitted_and_one_more_is_not(world: EdgeWorld) -> None:
    customer = world.customer("pay-as-you-go")  # 20 a second, 40 at once
    left = told(customer.chat("Hello", max_tokens=5), "remaining-requests")
    assert left == 39
    statuses = [customer.chat("Hello", max_tokens=5).status for _ in range(left + 1)]
    assert statuses == [200] * left + [429]
