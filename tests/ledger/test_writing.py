from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, Table, select

from fluxrouter_server.domain.ledger import LedgerEntry, UnreadableEntry
from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.rollups import Grain, rebuild_usage
from fluxrouter_server.ledger.rows import entry_row, read_row
from fluxrouter_server.ledger.tables import accounts, controls, entries, rejects, shards, usage
from fluxrouter_testing.ledger_samples import SampleAccount


def kept(engine: Engine) -> list[LedgerEntry]:
    with engine.connect() as connection:
        rows = connection.execute(select(entries).order_by(entries.c.epoch, entries.c.seq))
        return [read_row(row) for row in rows.mappings()]


def rows(engine: Engine, table: Table) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def summed(engine: Engine, column: str) -> dict[Grain, int]:
    """A column of the kept sums in all, by grain."""
    sums: dict[Grain, int] = {}
    for row in rows(engine, usage):
        grain = Grain(row["grain"])
        sums[grain] = sums.get(grain, 0) + row[column]
    return sums


async def test_an_entry_is_read_back_as_it_was_written(book: SqlLedgerBook, engine: Engine) -> None:
    entry = SampleAccount().settlement(labels={"team": "search", "env": "prod"})
    assert await book.append([entry]) == 1
    assert kept(engine) == [entry]


def test_a_row_has_the_columns_of_its_table_in_their_order() -> None:
    row = entry_row(SampleAccount().settlement())
    assert list(row) == [column.name for column in entries.columns]


async def test_what_is_delivered_twice_is_kept_and_summed_once(
    book: SqlLedgerBook, engine: Engine
) -> None:
    account = SampleAccount()
    first, second, third = (account.settlement() for _ in range(3))
    assert await book.append([first, second, second]) == 2
    assert await book.append([second, third, first]) == 1
    assert kept(engine) == [first, second, third]
    assert summed(engine, "billed_nano_usd") == dict.fromkeys(Grain, 15_000_000)


async def test_entries_may_arrive_in_any_order(book: SqlLedgerBook, engine: Engine) -> None:
    account = SampleAccount()
    entries_in_order = [account.settlement() for _ in range(4)]
    for entry in reversed(entries_in_order):
        assert await book.append([entry]) == 1
    assert kept(engine) == entries_in_order


async def test_a_second_charge_of_one_hold_is_put_aside_and_stops_nothing(
    book: SqlLedgerBook, engine: Engine
) -> None:
    account = SampleAccount()
    first, second, third = (account.settlement() for _ in range(3))
    assert await book.append([first, replace(second, hold_id=first.hold_id), third]) == 2
    assert kept(engine) == [first, third]
    (rejected,) = rows(engine, rejects)
    assert "contradicts an entry" in rejected["reason"]
    assert summed(engine, "requests") == dict.fromkeys(Grain, 2)


async def test_what_cannot_be_read_is_kept_as_it_is(book: SqlLedgerBook, engine: Engine) -> None:
    unreadable = UnreadableEntry(7, "1-1", "KeyError: v", b"\xff\x00")
    assert await book.append([unreadable, unreadable]) == 0
    (rejected,) = rows(engine, rejects)
    assert (rejected["shard"], rejected["stream_id"], rejected["body"]) == (7, "1-1", b"\xff\x00")


async def test_documents_take_their_places_in_the_accounts_sequence(
    book: SqlLedgerBook, engine: Engine
) -> None:
    account = SampleAccount()
    document, entry = account.document(), account.settlement()
    await book.append([document, entry])
    await book.append([document])
    (written,) = rows(engine, controls)
    assert (written["document"], written["body"]) == ("account", b"document")
    (known,) = rows(engine, accounts)
    assert (known["name"], known["epoch"], known["seq"]) == ("team/acme", 1, 2)


async def test_the_highest_epoch_of_a_shard_is_known(book: SqlLedgerBook, engine: Engine) -> None:
    account = SampleAccount()
    old = account.settlement()
    account.epoch = 2
    await book.append([account.settlement()])
    await book.append([old])
    (shard,) = rows(engine, shards)
    assert shard["epoch"] == 2


async def test_sums_that_are_made_anew_are_the_same(book: SqlLedgerBook, engine: Engine) -> None:
    account = SampleAccount()
    await book.append(
        [
            account.settlement(1_000 + n, labels={"team": f"t{n % 3}"}, time_us=account.now_us + n)
            for n in range(20)
        ]
    )
    before = rows(engine, usage)
    with engine.begin() as connection:
        rebuild_usage(connection)
    assert sorted(map(str, rows(engine, usage))) == sorted(map(str, before))
