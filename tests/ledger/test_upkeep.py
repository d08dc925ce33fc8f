"""Old entries and personal labels go; sums, chain and counters stay what they were."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import URL

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import EntryKind, Funds, LedgerEntry
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.usage import GroupBy, groups
from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.reader import SqlLedgerReader
from fluxrouter_server.ledger.rebuild_source import SqlRebuildSource
from fluxrouter_server.ledger.upkeep import SqlLedgerUpkeep
from fluxrouter_server.services.ports.ledger import CounterQuery, EntryFilter, Taken
from fluxrouter_server.services.ports.rebuilding import Horizon
from fluxrouter_server.services.retention import Retention
from fluxrouter_testing.ledger_samples import MONTH_END_US, MONTH_START_US, SampleAccount

DAY_US = 24 * 3_600_000_000
EVERYTHING = EntryFilter()


@pytest.fixture
async def upkeep(book: SqlLedgerBook, ledger_url: URL) -> AsyncIterator[SqlLedgerUpkeep]:  # noqa: ARG001 - migrates it
    upkeep = SqlLedgerUpkeep(ledger_url)
    yield upkeep
    upkeep.close()


@pytest.fixture
async def reader(book: SqlLedgerBook, ledger_url: URL) -> AsyncIterator[SqlLedgerReader]:  # noqa: ARG001 - migrates it
    reader = SqlLedgerReader(ledger_url)
    yield reader
    reader.close()


def second_month(account: SampleAccount) -> LedgerEntry:
    return account.settlement(
        time_us=MONTH_END_US + 10,
        period=2,
        period_start_us=MONTH_END_US,
        period_end_us=MONTH_END_US + 31 * DAY_US,
        settled_after_nano_usd=5_000_000,
    )


def without_use(account: SampleAccount, kind: EntryKind, **changes: object) -> LedgerEntry:
    funds = changes.pop("funds", Funds())
    return account.settlement(
        0,
        kind=kind,
        hold_id=None,
        usage=Usage(0, 0, 0, 0),
        has_usage=False,
        funds=funds,
        **changes,
    )


async def two_months(book: SqlLedgerBook) -> SampleAccount:
    """A month that is closed, with an adjustment in it, and one that is open: eight places."""
    account = SampleAccount()
    month = [account.document(), *(account.settlement() for _ in range(3))]
    adjustment = without_use(account, EntryKind.ADJUSTMENT, request_id="adjusted")
    late = account.settlement(time_us=MONTH_END_US + 20)
    close = without_use(account, EntryKind.PERIOD_CLOSE, time_us=MONTH_END_US + 30)
    await book.append([*month, adjustment, late, close, second_month(account)])
    return account


async def entries_of(reader: SqlLedgerReader, account: SampleAccount) -> list[LedgerEntry]:
    return [entry async for part in reader.export(account.uid, EVERYTHING) for entry in part]


async def test_old_entries_of_closed_months_go_and_what_they_came_to_stays(
    book: SqlLedgerBook, upkeep: SqlLedgerUpkeep, reader: SqlLedgerReader
) -> None:
    account = await two_months(book)
    before = await reader.period_usage(account.uid, MONTH_START_US)
    assert await upkeep.prune(MONTH_END_US) == Taken(1, 3)
    kinds = [entry.kind for entry in await entries_of(reader, account)]
    assert kinds == ["adjustment", "settlement", "period-close", "settlement"]
    assert await reader.period_usage(account.uid, MONTH_START_US) == before
    assert await upkeep.prune(MONTH_END_US) == Taken(0, 0)


async def test_a_pruned_chain_is_whole_and_a_rebuild_finds_what_it_needs(
    book: SqlLedgerBook, upkeep: SqlLedgerUpkeep, reader: SqlLedgerReader, ledger_url: URL
) -> None:
    account = await two_months(book)
    await upkeep.prune(MONTH_END_US + 100 * DAY_US)
    (derived,) = await reader.derive([CounterQuery(account.uid, 8, 1)])
    assert (derived.entries, derived.latest_seq) == (8, 8)
    assert [period.settled["a"] for period in derived.periods] == [5_000_000]
    source = SqlRebuildSource(ledger_url)
    (known,) = await source.accounts([account.uid], Horizon(0, MONTH_END_US))
    source.close()
    assert (known.closed_period, known.seq) == (1, 8)
    assert [entry.request_id for entry in known.adjustments] == ["adjusted"]


async def test_an_open_month_is_never_shortened(
    book: SqlLedgerBook, upkeep: SqlLedgerUpkeep
) -> None:
    account = SampleAccount()
    await book.append([account.document(), account.settlement()])
    assert await upkeep.prune(MONTH_END_US + 100 * DAY_US) == Taken(0, 0)


async def test_a_label_is_forgotten_and_amounts_stay(
    book: SqlLedgerBook, upkeep: SqlLedgerUpkeep, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    await book.append(
        [
            account.document(),
            account.settlement(labels={"team": "search", "user": "ann"}),
            account.settlement(labels={"team": "search", "user": "bob"}),
            account.settlement(labels={"team": "search"}),
        ]
    )
    before = await reader.period_usage(account.uid, MONTH_START_US)
    taken = await upkeep.forget_label("user", value="ann", account=AccountName("team/acme"))
    assert taken == Taken(1, 1)
    assert await upkeep.forget_label("user", value=None, account=None) == Taken(1, 1)
    after = await reader.period_usage(account.uid, MONTH_START_US)
    found = {group.value: group.sums for group in groups(after, GroupBy.LABEL, zone="UTC")}
    assert list(found) == ["team=search"]
    assert found["team=search"].funds.billed_nano_usd == 3 * 5_000_000
    assert groups(after, GroupBy.DAY, zone="UTC") == groups(before, GroupBy.DAY, zone="UTC")
    texts = {str(entry.labels) for entry in await entries_of(reader, account)}
    assert texts == {"{'team': 'search'}"}


async def test_another_account_keeps_its_labels(
    book: SqlLedgerBook, upkeep: SqlLedgerUpkeep, reader: SqlLedgerReader
) -> None:
    other = SampleAccount(AccountUid("zbcdefghij234567"), AccountName("team/other"))
    await book.append([other.document(), other.settlement(labels={"user": "ann"})])
    taken = await upkeep.forget_label("user", value=None, account=AccountName("team/acme"))
    assert taken == Taken(0, 0)
    (entry,) = await entries_of(reader, other)
    assert entry.labels == {"user": "ann"}


class Now:
    """A clock that stands."""

    def now_us(self) -> int:
        """The end of the month."""
        return MONTH_END_US


async def test_what_is_too_young_to_prune_is_refused(upkeep: SqlLedgerUpkeep) -> None:
    retention = Retention(upkeep=upkeep, clock=Now())
    for before_us in (None, MONTH_END_US - 31 * DAY_US + 1, MONTH_END_US + DAY_US):
        assert isinstance(await retention.prune(before_us), Denial)
    assert await retention.prune(MONTH_END_US - 31 * DAY_US) == Taken(0, 0)
    assert isinstance(await retention.forget_label("", value=None, account=None), Denial)
