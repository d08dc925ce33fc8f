"""Without the store nothing is admitted, nobody waits, and nothing is left behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest

from fluxrouter.v1 import router_pb2
from fluxrouter_server.store.locations import StoreShape
from fluxrouter_testing.customers import Connection, account, connected, plan, reason_of
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.store_cluster import AnyStore
from fluxrouter_testing.waiting import eventually_async

ANSWER_SECONDS = 0.25  # what is promised by default
RECOVERY_SECONDS = 5.0
CALLS = 50

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def fleet(stage: StoreShape) -> Iterator[Fleet]:
    """One server: the store is what fails here."""
    with running_fleet(servers=1, shape=stage) as started:
        yield started


@pytest.fixture
async def server(fleet: Fleet, servers: list[Connection]) -> AsyncIterator[Connection]:
    """A connection to it, warm: channel up, account known."""
    await servers[0].apply(plan("dollar", "100.00"), account("steady", "dollar"))
    async with connected(fleet.servers[0].address) as connection:
        assert await outcome(connection, "warm") == ("", True)
        yield connection


async def outcome(server: Connection, request_id: str) -> tuple[str, bool]:
    """Routes; returns the reason of a refusal ("" if admitted) and whether it came in time."""
    request = router_pb2.RouteRequest(
        account="steady",
        model="flux-fast",
        request_id=request_id,
        input_tokens=10,
        max_output_tokens=10,
    )
    start, reason = time.monotonic(), ""
    try:
        await server.router.Route(request, timeout=5)
    except grpc.aio.AioRpcError as error:
        reason = reason_of(error) if error.code() is grpc.StatusCode.UNAVAILABLE else str(error)
    return reason, time.monotonic() - start < ANSWER_SECONDS


async def is_admitting(server: Connection) -> bool:
    """Whether a new request is admitted."""
    return await outcome(server, f"probe-{time.monotonic_ns()}") == ("", True)


def stop_answering(store: AnyStore) -> Callable[[], object]:
    """SIGSTOP: connections stay open, nothing comes back."""
    store.pause()
    return store.resume


def go_away(store: AnyStore) -> Callable[[], object]:
    """SIGKILL, and later a start on the same files."""
    store.kill()
    return store.start


def answer_errors(store: AnyStore) -> Callable[[], object]:
    """Takes the right to run scripts away from the servers."""
    store.command_everywhere("ACL", "SETUSER", "default", "-evalsha", "-eval")
    return lambda: store.command_everywhere("ACL", "SETUSER", "default", "+evalsha", "+eval")


@pytest.mark.parametrize("fault", [stop_answering, go_away, answer_errors])
async def test_a_store_that_fails_is_unavailable_in_time_and_leaves_no_hold(
    fleet: Fleet, server: Connection, fault: Callable[[AnyStore], Callable[[], object]]
) -> None:
    before = await server.spend("steady")

    mend = fault(fleet.store)
    answers = await asyncio.gather(*(outcome(server, f"lost-{n}") for n in range(CALLS)))
    again = await outcome(server, "lost-again")
    mend()

    assert {*answers, again} == {("STORE_UNAVAILABLE", True)}
    await eventually_async(lambda: is_admitting(server), RECOVERY_SECONDS)
    await eventually_async(lambda: no_lost_hold_is_left(server, before.in_flight))


async def no_lost_hold_is_left(server: Connection, in_flight: int) -> bool:
    """Whether only holds of calls that were admitted are open: those before, and the probe's."""
    return (await server.spend("steady")).in_flight <= in_flight + 1
