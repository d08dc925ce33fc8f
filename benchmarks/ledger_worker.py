"""Measures how many entries a second one worker brings from the store into SQL.

Entries are copies of one that the real scripts wrote, with their own accounts, sequence numbers and
holds, put into the streams beforehand: what is measured is reading, decoding, writing, committing
and taking them out. Both databases sync each commit to disk.

    .venv/bin/python benchmarks/ledger_worker.py [--entries 20000] [--accounts 200]
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import msgpack
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.ledger.engines import read_ledger_url, sqlite_url
from fluxrouter_server.store.keys import ledger_key, shard_of
from fluxrouter_server.store.replies import Argument
from fluxrouter_testing.blocking_store import BlockingClient
from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.ledger_feed import ledger_feed
from fluxrouter_testing.postgres import running_postgres
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey

_PIPELINE = 1_000
_UID_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"


def main() -> None:
    """Measures SQLite, then PostgreSQL; prints a line each and one JSON object at last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--accounts", type=int, default=200)
    given = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder, running_postgres(durable=True) as postgres:
        urls = {
            "sqlite": read_ledger_url(sqlite_url(Path(folder) / "ledger.sqlite3")),
            "postgresql": postgres.url,
        }
        for name, url in urls.items():
            with running_valkey(durable=True) as server:
                fill(server, entries=given.entries, accounts=given.accounts)
                rate = asyncio.run(measure(server, url))
            results[f"ledger_{name}_entries_per_second"] = round(rate)
            print(f"{name}: {rate:,.0f} entries/s")
    print(json.dumps(results))


def fill(server: ThrowawayValkey, *, entries: int, accounts: int) -> None:
    """Puts entries into the streams, account by account in turn."""
    world = HoldWorld(server)
    world.settle(world.admit(labels={"team": "search"}, key_name=None))
    (sample,) = world.entries("settlement")
    world.close()
    server.command("FLUSHALL")
    uids = [_uid(number) for number in range(accounts)]
    client = BlockingClient(server)
    for first in range(0, entries, _PIPELINE):
        client.pipeline(
            [_addition(sample, uids, n) for n in range(first, min(first + _PIPELINE, entries))]
        )
    client.close()


async def measure(server: ThrowawayValkey, url: URL) -> float:
    """Moves all that waits; returns entries a second."""
    async with ledger_feed(server, url) as feed:
        await feed.stream.open()
        begun = time.perf_counter()
        moved = await feed.worker.drain()
        return moved / (time.perf_counter() - begun)


def _addition(sample: dict[str, object], uids: list[AccountUid], n: int) -> tuple[Argument, ...]:
    uid = uids[n % len(uids)]
    seq = n // len(uids) + 1
    entry = sample | {"u": uid, "q": seq, "rk": f"{n:016}", "id": f"request-{n}"}
    packed = msgpack.packb(entry, use_bin_type=False)
    return ("XADD", ledger_key(shard_of(uid)), "*", "e", packed)


def _uid(number: int) -> AccountUid:
    digits = ""
    for _ in range(16):
        number, digit = divmod(number, len(_UID_DIGITS))
        digits += _UID_DIGITS[digit]
    return AccountUid(digits)


if __name__ == "__main__":
    main()
