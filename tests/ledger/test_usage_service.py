"""UsageService and its commands over the wire, with a ledger worker in its own process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import usage_pb2
from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.waiting import eventually_async

ROOT = Path(__file__).resolve().parents[2]
START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
HOLD_COST = 1_200_000  # 1,000 input and 50 output tokens
ARRIVED_SECONDS = 15

_numbers = count(1)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with running_fleet(servers=1, start_us=START_US, with_ledger=True) as started:
        yield started


@pytest.fixture
async def shop(fleet: Fleet) -> AsyncIterator[Shop]:
    name = f"shop-{next(_numbers)}"
    catalog = read_resources([str(ROOT / "examples" / "resources" / "catalog.yaml")])
    async with connected(fleet.servers[0].address) as connection:
        await connection.apply(*catalog, plan(name, "1.00"), account(name, name))
        yield Shop(connection, name, name, fleet.clock)


async def usage(shop: Shop, **fields: object) -> usage_pb2.GetUsageResponse:
    request = usage_pb2.GetUsageRequest(account=shop.account, **fields)  # type: ignore[arg-type]
    return await shop.connection.usage.GetUsage(request)


async def listed(shop: Shop, **fields: object) -> list[usage_pb2.LedgerEntry]:
    request = usage_pb2.ListLedgerRequest(account=shop.account, **fields)  # type: ignore[arg-type]
    return list((await shop.connection.usage.ListLedger(request)).entries)


async def buy(shop: Shop, **fields: object) -> str:
    """Routes and settles a request, and waits for its entry; returns its id."""
    route = await shop.route(**fields)
    await shop.settle(route.hold_id, output_tokens=50)

    async def has_arrived() -> bool:
        return bool(await listed(shop, request_id=route.request_id))

    await eventually_async(has_arrived, timeout_seconds=ARRIVED_SECONDS)
    return route.request_id


@pytest.fixture
def fluxrouter(fleet: Fleet) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        server = ("--server", fleet.servers[0].address)
        command = [sys.executable, "-m", "fluxrouter_server", *server, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


async def test_usage_of_the_open_period_adds_up_to_the_counter(shop: Shop) -> None:
    await buy(shop, labels={"team": "search"})
    await buy(shop)
    answer = await usage(shop)
    spend = await shop.connection.spend(shop.account)
    assert answer.total.billed_nano_usd == spend.settled_nano_usd == 2 * HOLD_COST
    assert (answer.total.requests, answer.total.output_tokens) == (2, 100)
    assert answer.period.settled_nano_usd == spend.settled_nano_usd
    assert answer.period.headroom_nano_usd == spend.headroom_nano_usd
    assert answer.period.included_used_nano_usd == spend.included_used_nano_usd
    assert answer.period.projected_nano_usd > answer.total.billed_nano_usd
    groups = {(group.group_by, group.value): group.sums.requests for group in answer.groups}
    assert groups == {
        ("model", "llama-3.1-8b"): 2,
        ("lane", "express"): 2,
        ("key", ""): 2,
        ("label", "team=search"): 1,
        ("day", "2027-01-15"): 2,
    }


async def test_the_request_id_of_an_answer_finds_its_entry(shop: Shop) -> None:
    await buy(shop)
    request_id = await buy(shop, labels={"team": "search"})
    (entry,) = await listed(shop, request_id=request_id)
    assert (entry.kind, entry.account) == ("settlement", f"default/{shop.account}")
    assert (entry.sums.cost_nano_usd, entry.settled_after_nano_usd) == (HOLD_COST, 2 * HOLD_COST)
    assert (entry.model, entry.model_asked) == ("llama-3.1-8b", "flux-fast")
    assert dict(entry.labels) == {"team": "search"}


async def test_usage_may_be_asked_for_a_span_and_by_one_group(shop: Shop) -> None:
    await buy(shop)
    before, after = Timestamp(seconds=START_US // 10**6 - 60), Timestamp(seconds=2**31)
    now = await usage(shop, start_time=before, end_time=after, group_by=["lane"])
    assert now.total.billed_nano_usd == HOLD_COST
    assert [group.value for group in now.groups] == ["express"]
    assert not now.HasField("period")
    earlier = await usage(shop, start_time=Timestamp(seconds=1), end_time=before)
    assert earlier.total.billed_nano_usd == 0


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"start_time": Timestamp(seconds=2), "end_time": Timestamp(seconds=1)}, "end_time"),
        ({"end_time": Timestamp(seconds=1)}, "start_time"),
        ({"start_time": Timestamp(seconds=2**33)}, "start_time"),
        ({"start_time": Timestamp(seconds=-1)}, "start_time"),
        ({"group_by": ["colour"]}, "group_by[0]"),
    ],
)
async def test_a_wrong_span_or_group_is_named(
    shop: Shop, fields: dict[str, object], field: str
) -> None:
    refusal = await refused(usage(shop, **fields))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(refusal.fields) == [field]


async def test_an_unknown_account_is_not_found(shop: Shop) -> None:
    request = usage_pb2.GetUsageRequest(account="nobody")
    refusal = await refused(shop.connection.usage.GetUsage(request))
    assert refusal.code is grpc.StatusCode.NOT_FOUND


async def test_pages_hang_together_and_refuse_tokens_of_another_list(shop: Shop) -> None:
    for _ in range(3):
        await buy(shop)
    request = usage_pb2.ListLedgerRequest(account=shop.account, page_size=2)
    first = await shop.connection.usage.ListLedger(request)
    request.page_token = first.next_page_token
    second = await shop.connection.usage.ListLedger(request)
    assert [entry.seq for entry in (*first.entries, *second.entries)] == [4, 3, 2]
    assert second.next_page_token == ""
    request.kinds.append("release")
    refusal = await refused(shop.connection.usage.ListLedger(request))
    assert list(refusal.fields) == ["page_token"]


@pytest.mark.parametrize(
    "fields, field",
    [({"page_size": 1001}, "page_size"), ({"kinds": ["gift"]}, "kinds[0]")],
)
async def test_a_wrong_list_is_refused(shop: Shop, fields: dict[str, object], field: str) -> None:
    assert list((await refused(listed(shop, **fields))).fields) == [field]


async def test_an_api_key_sees_its_own_account_only(shop: Shop, fleet: Fleet) -> None:
    await buy(shop)
    key = await shop.create_key()
    metadata = (("authorization", f"Bearer {key}"),)
    async with connected(fleet.servers[0].address) as connection:
        stub = connection.usage
        own = await stub.GetUsage(usage_pb2.GetUsageRequest(), metadata=metadata)
        assert own.account == f"default/{shop.account}"
        export = stub.ExportLedger(usage_pb2.ExportLedgerRequest(), metadata=metadata)
        exported = [entry async for part in export for entry in part.entries]
        assert {entry.account for entry in exported} == {f"default/{shop.account}"}
        other = usage_pb2.ListLedgerRequest(account="somebody-else")
        refusal = await refused(stub.ListLedger(other, metadata=metadata))
        assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
        check = stub.CheckLedger(usage_pb2.CheckLedgerRequest(), metadata=metadata)
        refusal = await refused(check.read())
        assert refusal.code is grpc.StatusCode.PERMISSION_DENIED


async def test_the_commands_show_usage_and_find_no_drift(
    shop: Shop, fluxrouter: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    request_id = await buy(shop)
    table = await asyncio.to_thread(fluxrouter, "usage", shop.account)
    assert "billed                $0.0012" in table.stdout
    answer = await asyncio.to_thread(fluxrouter, "usage", shop.account, "-o", "json")
    assert json.loads(answer.stdout)["total"]["billedNanoUsd"] == str(HOLD_COST)
    checked = await asyncio.to_thread(fluxrouter, "ledger", "check")
    assert (checked.returncode, checked.stdout.partition(":")[0]) == (0, "no drift")
    lines = await asyncio.to_thread(fluxrouter, "ledger", "export", shop.account)
    assert [json.loads(line)["requestId"] for line in lines.stdout.splitlines()] == [request_id]
    focus = await asyncio.to_thread(
        fluxrouter, "ledger", "export", shop.account, "--format", "focus"
    )
    assert [line.count("0.0012") for line in focus.stdout.splitlines()] == [0, 4]


def worker_of(fleet: Fleet) -> int:
    """The process of the server's ledger worker."""
    tasks = Path(f"/proc/{fleet.servers[0].child.pid}/task")
    pids = [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    (worker,) = [
        pid for pid in pids if b"ledger_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return int(worker)


async def test_a_worker_that_is_killed_is_started_again(shop: Shop, fleet: Fleet) -> None:
    await buy(shop)
    os.kill(worker_of(fleet), signal.SIGKILL)
    await buy(shop)
    assert (await usage(shop)).total.billed_nano_usd == 2 * HOLD_COST
