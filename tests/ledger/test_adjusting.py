"""An operator's corrections over the wire: in usage, list, check, and after a rebuild."""

import subprocess
import sys

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import ledger_pb2, usage_pb2
from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.store.keys import account_keys
from fluxrouter_testing.fleet import Fleet
from fluxrouter_testing.refusals import Refusal, refused
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.waiting import eventually_async

TWO_MONTHS_SECONDS = 62 * 24 * 3600
PATIENCE_SECONDS = 30
CENT = 10_000_000


async def correct(shop: Shop, amount: int, **fields: object) -> ledger_pb2.Adjustment:
    answer = await shop.connection.ledger.CorrectUsage(correction(shop, amount, **fields))
    return answer.adjustment


def correction(shop: Shop, amount: int, **fields: object) -> ledger_pb2.CorrectUsageRequest:
    usual = {"account": shop.account, "adjustment_id": "mine", "reason": "wrong count"}
    return ledger_pb2.CorrectUsageRequest(amount_nano_usd=amount, **{**usual, **fields})  # type: ignore[arg-type]


async def why_not(shop: Shop, amount: int, **fields: object) -> Refusal:
    call = shop.connection.ledger.CorrectUsage(correction(shop, amount, **fields))
    refusal = await refused(call)
    assert (await shop.connection.spend(shop.account)).settled_nano_usd == 0
    return refusal


async def entries(shop: Shop, count: int) -> list[usage_pb2.LedgerEntry]:
    """The account's entries, once there are so many."""

    async def arrived() -> list[usage_pb2.LedgerEntry]:
        request = usage_pb2.ListLedgerRequest(account=shop.account)
        found = list((await shop.connection.usage.ListLedger(request)).entries)
        return found if len(found) >= count else []

    return await eventually_async(arrived, timeout_seconds=PATIENCE_SECONDS)


async def drifts(shop: Shop) -> list[usage_pb2.LedgerDrift]:
    check = shop.connection.usage.CheckLedger(usage_pb2.CheckLedgerRequest())
    return [drift async for part in check for drift in part.drifts]


async def test_a_correction_is_in_counters_usage_and_ledger(shop: Shop) -> None:
    written = await correct(shop, 3 * CENT, labels={"team": "search"})
    assert (written.sums.billed_nano_usd, written.settled_after_nano_usd) == (3 * CENT, 3 * CENT)
    (entry,) = await entries(shop, 1)
    assert (entry.kind, entry.request_id, entry.reason) == ("adjustment", "mine", "wrong count")
    assert entry.principal == "local"
    used = await shop.connection.usage.GetUsage(usage_pb2.GetUsageRequest(account=shop.account))
    by = {(group.group_by, group.value): group.sums.billed_nano_usd for group in used.groups}
    assert (used.total.billed_nano_usd, used.total.requests) == (3 * CENT, 0)
    assert by["label", "team=search"] == 3 * CENT
    assert (await shop.connection.spend(shop.account)).settled_nano_usd == 3 * CENT
    assert await drifts(shop) == []


async def test_an_id_is_written_once_and_refused_for_anything_else(shop: Shop) -> None:
    first = await correct(shop, CENT)
    again = await correct(shop, CENT)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.entry_time == first.entry_time
    refusal = await refused(
        shop.connection.ledger.CorrectUsage(correction(shop, CENT, reason="other"))
    )
    assert refusal.reason == "REQUEST_ID_REUSED"
    assert (await shop.connection.spend(shop.account)).settled_nano_usd == CENT


async def test_bad_corrections_are_refused_and_nothing_is_written(shop: Shop) -> None:
    for amount, fields, field in (
        (CENT, {"reason": " "}, "reason"),
        (CENT, {"reason": "two\nlines"}, "reason"),
        (CENT, {"adjustment_id": ""}, "adjustment_id"),
        (0, {}, "amount_nano_usd"),
        (2**53 + 1, {}, "amount_nano_usd"),
        (-(2**53) - 1, {}, "amount_nano_usd"),
        (-1, {}, "amount_nano_usd"),
        (CENT, {"account": "No Name"}, "account"),
        (CENT, {"period_time": Timestamp(seconds=1)}, "period_time"),
        (CENT, {"period_time": Timestamp(seconds=4_000_000_000)}, "period_time"),
    ):
        refusal = await why_not(shop, amount, **fields)
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert field in refusal.fields, (amount, fields)
    unknown = await why_not(shop, CENT, account="nobody")
    assert unknown.reason == "RESOURCE_NOT_FOUND"
    request = usage_pb2.ListLedgerRequest(account=shop.account)
    assert list((await shop.connection.usage.ListLedger(request)).entries) == []


async def test_an_api_key_may_not_correct(shop: Shop) -> None:
    key = await shop.create_key()
    call = shop.connection.ledger.CorrectUsage(
        correction(shop, -1), metadata=[("authorization", f"Bearer {key}")]
    )
    assert (await refused(call)).reason == "SCOPE_MISSING"


async def test_a_closed_month_takes_credits_and_absorbs_debits(shop: Shop) -> None:
    first = await correct(shop, 2 * CENT)
    shop.clock.advance(TWO_MONTHS_SECONDS)
    await shop.route()  # opens today's month; the sweep closes the other
    kinds = {entry.kind for entry in await entries(shop, 2)}
    assert "period-close" in kinds
    then = Timestamp(seconds=first.period_start_time.seconds + 3600)
    call = shop.connection.ledger.CorrectUsage(
        correction(shop, -CENT, adjustment_id="late", period_time=then)
    )
    assert "credit an invoice" in (await refused(call)).message
    late = await correct(shop, CENT, adjustment_id="late", period_time=then)
    assert (late.sums.absorbed_nano_usd, late.sums.billed_nano_usd) == (CENT, 0)
    request = ledger_pb2.CreditInvoiceRequest(
        account=shop.account,
        adjustment_id="credit",
        amount_nano_usd=CENT,
        reason="goodwill",
        period_time=then,
    )
    credit = (await shop.connection.ledger.CreditInvoice(request)).adjustment
    assert (credit.kind, credit.sums.credit_nano_usd) == ("invoice-credit", CENT)
    assert credit.period_start_time == first.period_start_time
    assert await drifts(shop) == []


async def test_a_rebuild_keeps_corrections_and_their_ids(shop: Shop, fleet: Fleet) -> None:
    await correct(shop, 3 * CENT)
    await correct(shop, -CENT, adjustment_id="second")
    await entries(shop, 2)
    fleet.store.command("FLUSHALL")

    async def is_back() -> bool:
        try:
            return (await shop.connection.spend(shop.account)).settled_nano_usd == 2 * CENT
        except grpc.aio.AioRpcError:
            return False

    await eventually_async(is_back, timeout_seconds=PATIENCE_SECONDS)
    again = await correct(shop, -CENT, adjustment_id="second")
    assert (again.replayed, again.settled_after_nano_usd) == (True, 2 * CENT)
    assert (await shop.connection.spend(shop.account)).settled_nano_usd == 2 * CENT


def fluxrouter(fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fluxrouter_server", "--server", fleet.servers[0].address]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False)


async def test_the_command_corrects_and_credits(shop: Shop, fleet: Fleet) -> None:
    words = ("ledger", "correct", shop.account, "--debit", "0.05", "--reason", "found later")
    done = fluxrouter(fleet, *words, "--id", "a")
    assert done.returncode == 0, done.stderr
    assert "$0.05" in done.stdout
    assert fluxrouter(fleet, "ledger", "correct", shop.account, "--debit", "1").returncode == 2
    words = ("ledger", "credit", shop.account, "--amount", "0.01", "--reason", "sorry")
    assert fluxrouter(fleet, *words).returncode == 0
    assert {entry.kind for entry in await entries(shop, 2)} == {"adjustment", "invoice-credit"}
    focus = fluxrouter(fleet, "ledger", "export", shop.account, "--format", "focus").stdout
    assert "found later" in focus
    assert "Credit" in focus


async def test_the_command_restores_counters_that_were_tampered_with(
    shop: Shop, fleet: Fleet
) -> None:
    await correct(shop, 3 * CENT)
    (entry,) = await entries(shop, 1)
    key = account_keys(AccountUid(entry.account_uid)).account
    fleet.store.command("HINCRBY", key, "s:1:a", 1)
    done = fluxrouter(fleet, "ledger", "rebuild", shop.account)
    assert (done.returncode, "1 counters restored" in done.stdout) == (0, True), done.stderr
    assert (await shop.connection.spend(shop.account)).settled_nano_usd == 3 * CENT
    assert "0 counters restored" in fluxrouter(fleet, "ledger", "rebuild", "--all").stdout
    assert fluxrouter(fleet, "ledger", "rebuild", "nobody").returncode == 1
    assert fluxrouter(fleet, "ledger", "rebuild").returncode == 2


async def test_the_command_prunes_and_forgets_labels(shop: Shop, fleet: Fleet) -> None:
    await correct(shop, 3 * CENT, labels={"user": "ann"})
    await entries(shop, 1)
    done = fluxrouter(fleet, "ledger", "forget-label", "user", "--account", shop.account, "--yes")
    assert (done.returncode, done.stdout.split()[0]) == (0, "1"), done.stderr
    (entry,) = await entries(shop, 1)
    assert dict(entry.labels) == {}
    done = fluxrouter(fleet, "ledger", "prune", "--before", "2026-12-01", "--yes")
    assert (done.returncode, done.stdout.split()[0]) == (0, "0"), done.stderr
    assert fluxrouter(fleet, "ledger", "prune", "--before", "2027-01-14", "--yes").returncode == 1
    assert await drifts(shop) == []
