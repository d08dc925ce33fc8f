"""Measures GetUsage's queries over a large ledger in PostgreSQL, and prints the plans.

Entries are loaded by COPY, half of them of one account, spread over one month; their sums are made
as a bulk load makes them. Then a month of the large account and one of a small one are asked for.

    .venv/bin/python benchmarks/ledger_usage.py [--entries 2000000] [--explain]
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from statistics import median

from sqlalchemy import Connection, select, text

from fluxrouter_server.domain.hold_ids import HoldRef, format_hold_id
from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.ledger.engines import open_engine, prepare
from fluxrouter_server.ledger.rollups import rebuild_usage
from fluxrouter_server.ledger.rows import Row, entry_row
from fluxrouter_server.ledger.usage_queries import read_period_usage, read_span_usage
from fluxrouter_server.ledger.writing import copy_rows
from fluxrouter_testing.ledger_samples import MONTH_END_US, MONTH_START_US, SampleAccount
from fluxrouter_testing.postgres import running_postgres

_ACCOUNTS = 100
_MODELS = [
    ("fast-1", "express"),
    ("fast-2", "express"),
    ("mid-1", "daily-driver"),
    ("big-1", "deep-thought"),
]
_KEYS = ["web", "batch", "ci"]
_TEAMS = [{"team": name} for name in ("search", "ads", "support", "data", "growth")]
_ROUNDS = 7
_LARGE = AccountUid("a" * 16)
_SMALL = AccountUid("b" + "a" * 15)


def main() -> None:
    """Loads, measures, and prints one JSON object at last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=2_000_000)
    parser.add_argument("--explain", action="store_true")
    given = parser.parse_args()
    with running_postgres() as postgres:
        engine = open_engine(postgres.url, is_writer=True)
        prepare(engine)
        began = time.perf_counter()
        with engine.begin() as connection:
            copy_rows(connection, _rows(given.entries))
        print(f"loaded {given.entries:,} entries in {time.perf_counter() - began:.0f} s")
        with engine.begin() as connection:
            rebuild_usage(connection)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        with engine.connect() as connection:
            results = _measure(connection)
            if given.explain:
                _explain(connection)
        engine.dispose()
    print(json.dumps({"ledger_entries": given.entries, **results}))


def _measure(connection: Connection) -> dict[str, float]:
    odd = Period(MONTH_START_US + 123_456_789, MONTH_END_US - 987_654_321)
    queries: dict[str, Callable[[], object]] = {
        "period_of_large": lambda: read_period_usage(connection, _LARGE, MONTH_START_US),
        "period_of_small": lambda: read_period_usage(connection, _SMALL, MONTH_START_US),
        "odd_span_of_large": lambda: read_span_usage(connection, _LARGE, odd),
    }
    return {f"usage_{name}_ms": round(_milliseconds(query), 1) for name, query in queries.items()}


def _milliseconds(query: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        query()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _explain(connection: Connection) -> None:
    statement = text(
        "EXPLAIN (ANALYZE, BUFFERS) SELECT model, lane, key_name, labels, sum(billed_nano_usd) "
        "FROM ledger_usage WHERE uid = :uid AND grain = 2 AND period_start_us = :start "
        "GROUP BY 1, 2, 3, 4"
    )
    for line in connection.scalars(statement, {"uid": _LARGE, "start": MONTH_START_US}):
        print(line)
    print(connection.execute(select(text("pg_size_pretty(pg_database_size('postgres'))"))).scalar())


def _rows(number: int) -> Iterator[Row]:
    """Rows of the sample entry with what tells entries apart."""
    sample = entry_row(SampleAccount().settlement())
    step_us = (MONTH_END_US - MONTH_START_US) // number
    sequence: dict[AccountUid, int] = {}
    for n in range(number):
        uid = _LARGE if n % 2 else _account(n // 2 % _ACCOUNTS)
        seq = sequence[uid] = sequence.get(uid, 0) + 1
        yield sample | _changes(n, uid, seq, MONTH_START_US + n * step_us)


def _changes(n: int, uid: AccountUid, seq: int, now_us: int) -> Row:
    model, lane = _MODELS[n // 3 % len(_MODELS)]
    team = _TEAMS[n // 7 % len(_TEAMS)]
    return {
        "uid": uid,
        "seq": seq,
        "time_us": now_us,
        "hour": now_us // 3_600_000_000,
        "hold_id": format_hold_id(HoldRef(0, 1, now_us // 1000, uid, f"{n:016}", 1)),
        "request_id": f"request-{n}",
        "model": model,
        "lane": lane,
        "key_name": _KEYS[n // 5 % len(_KEYS)],
        "labels": json.dumps(team, separators=(",", ":")),
    }


def _account(number: int) -> AccountUid:
    return AccountUid(chr(ord("b") + number % 25) + chr(ord("a") + number // 25) + "a" * 14)


if __name__ == "__main__":
    main()
