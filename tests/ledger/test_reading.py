from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random

import pytest
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ids import AccountName, AccountUid, RequestId
from fluxrouter_server.domain.ledger import EntryKind, LedgerEntry
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.usage import UsageSums, total
from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.reader import SqlLedgerReader
from fluxrouter_server.services.ports.ledger import CounterQuery, EntryFilter, EntryPlace
from fluxrouter_testing.ledger_samples import MONTH_START_US, UID, SampleAccount

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
EVERYTHING = EntryFilter()


@pytest.fixture
async def reader(book: SqlLedgerBook, ledger_url: URL) -> AsyncIterator[SqlLedgerReader]:  # noqa: ARG001 - migrates it
    reader = SqlLedgerReader(ledger_url)
    yield reader
    reader.close()


def billed(sums: UsageSums) -> int:
    return sums.funds.billed_nano_usd


def place(entry: LedgerEntry) -> EntryPlace:
    return EntryPlace(entry.time_us, entry.epoch, entry.seq)


async def test_a_period_has_what_belongs_to_it_whenever_it_came(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    month_later = account.now_us + 32 * 24 * 3600 * 1_000_000
    await book.append(
        [
            account.settlement(100),
            account.settlement(20, time_us=month_later),
            account.settlement(3, period=2, period_start_us=account.now_us + 1),
        ]
    )
    used = await reader.period_usage(UID, MONTH_START_US)
    assert (billed(total(used)), total(used).requests) == (120, 2)


async def test_a_span_may_begin_and_end_at_any_instant(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    entries = [
        account.settlement(n, time_us=MONTH_START_US + n * 7 * MINUTE_US) for n in range(1, 600)
    ]
    await book.append(entries)
    random = Random(1)  # one seed: what fails today fails tomorrow
    for _ in range(40):
        first, last = sorted(random.sample(range(-HOUR_US, 75 * HOUR_US), 2))
        step = random.choice((1, MINUTE_US, 15 * MINUTE_US, 24 * HOUR_US))
        span = Period(
            MONTH_START_US + first // step * step, MONTH_START_US + (last // step + 1) * step
        )
        expected = sum(
            entry.funds.billed_nano_usd for entry in entries if span.contains(entry.time_us)
        )
        used = await reader.span_usage(UID, span)
        assert billed(total(used)) == expected
        assert sum(billed(moment.sums) for moment in used.moments) == expected


async def test_another_accounts_usage_is_not_counted(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    other = SampleAccount(uid=AccountUid("other" + "a" * 11))
    await book.append([SampleAccount().settlement(7), other.settlement(100)])
    assert billed(total(await reader.period_usage(UID, MONTH_START_US))) == 7


async def test_pages_of_entries_go_from_the_newest_to_the_oldest(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    entries = [account.settlement() for _ in range(5)]
    await book.append(entries)
    first = await reader.list_entries(UID, EVERYTHING, before=None, limit=3)
    rest = await reader.list_entries(UID, EVERYTHING, before=place(first[-1]), limit=3)
    assert [*first, *rest] == entries[::-1]


async def test_entries_of_one_instant_are_all_listed(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    entries = [account.settlement(time_us=MONTH_START_US + 5) for _ in range(4)]
    await book.append(entries)
    listed: list[LedgerEntry] = []
    before = None
    while page := await reader.list_entries(UID, EVERYTHING, before=before, limit=1):
        listed += page
        before = place(page[-1])
    assert listed == entries[::-1]


@pytest.mark.parametrize(
    "wanted, expected",
    [
        (EntryFilter(request_id="request-2"), [2]),
        (EntryFilter(kinds=frozenset({EntryKind.RELEASE})), [3]),
        (EntryFilter(start_us=MONTH_START_US + 2_000_000, end_us=MONTH_START_US + 3_000_000), [2]),
        (EntryFilter(request_id="request-9"), []),
    ],
)
async def test_entries_are_found_by_what_is_known_of_them(
    book: SqlLedgerBook, reader: SqlLedgerReader, wanted: EntryFilter, expected: list[int]
) -> None:
    account = SampleAccount()
    first, second = account.settlement(), account.settlement()
    third = replace(account.settlement(0), kind=EntryKind.RELEASE, request_id=RequestId("gone"))
    await book.append([first, second, third])
    found = await reader.list_entries(UID, wanted, before=None, limit=9)
    assert [entry.seq for entry in found] == expected


async def test_an_export_has_every_entry_of_every_account_once(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    accounts = [SampleAccount(uid=AccountUid(f"{letter * 16}")) for letter in "abc"]
    entries = [account.settlement() for _ in range(400) for account in accounts]
    await book.append(entries)
    exported = [entry async for part in reader.export(None, EVERYTHING) for entry in part]
    assert exported == sorted(entries, key=lambda entry: (entry.uid, entry.seq))


async def test_accounts_have_the_names_of_their_latest_documents(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    await book.append([account.document(), account.settlement(), account.document(name="team/new")])
    assert await reader.names([UID, AccountUid("a" * 16)]) == {UID: AccountName("team/new")}


async def test_counters_follow_from_entries_up_to_a_place(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    hour = account.now_us // 3_600_000_000
    await book.append(
        [
            account.document(),
            account.settlement(100, absorbed_nano_usd=5),
            account.settlement(20, levels=("a", "H", "b/search")),
            account.settlement(3),
        ]
    )
    (derived,) = await reader.derive([CounterQuery(UID, 3, closed_period=0, first_hour=hour)])
    assert (derived.entries, derived.latest_seq) == (3, 4)
    (period,) = derived.periods
    assert period.settled == {"a": 120, "k/main": 100, "b/search": 20}
    assert (period.absorbed_nano_usd, period.included_nano_usd) == (5, 120)
    assert derived.hours == {hour: 120}


async def test_a_closed_period_has_no_counters_any_more(
    book: SqlLedgerBook, reader: SqlLedgerReader
) -> None:
    account = SampleAccount()
    await book.append([account.settlement(100)])
    (derived,) = await reader.derive([CounterQuery(UID, last_seq=1, closed_period=1)])
    assert (derived.entries, derived.periods) == (1, ())
