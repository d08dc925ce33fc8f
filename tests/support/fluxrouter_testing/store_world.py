"""One account on a real store with a simulated clock, and what can be seen of both.

Plans and the catalog are written into the account's shard only, in the shape that the document
stores give them; everything else goes through the adapters that a server uses.
"""

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from fluxrouter_server.domain.accounts import Account, KeyRecord
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.domain.ids import AccountUid, PlanName
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Generation,
    Limits,
    PlanRecord,
    resolve,
)
from fluxrouter_server.domain.periods import Period, proposed_period
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.store.account_store import ValkeyAccountStore
from fluxrouter_server.store.adjusting import ValkeyAdjustmentStore
from fluxrouter_server.store.clock import SimulatedClock
from fluxrouter_server.store.documents import encode_catalog, encode_plan
from fluxrouter_server.store.hold_calls import HoldCalls
from fluxrouter_server.store.hold_records import unpack
from fluxrouter_server.store.hold_store import ValkeyHoldStore
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.keys import (
    SHARD_HASH,
    SHARDS,
    account_keys,
    ledger_key,
    meta_key,
    names_key,
    shard_due_key,
    shard_of,
)
from fluxrouter_server.store.replies import Argument
from fluxrouter_server.store.scripts import read_scripts
from fluxrouter_server.store.shard_calls import ShardCalls
from fluxrouter_server.store.sweeping import ValkeySweeper
from fluxrouter_testing.blocking_store import BlockingClient, finish
from fluxrouter_testing.hold_documents import SECOND_US, START_US, free_account, free_plan
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["StoreWorld"]

_MARKER: Final = "m1"
_SCRIPTS: Final = read_scripts()


@dataclass
class Lives:
    """The markers that the shards have here; a test may expect others."""

    markers: list[str] = field(default_factory=lambda: [_MARKER] * SHARDS)

    def report_lost(self, shard: int) -> StoreUnavailable:
        """The error that a layout keeper makes, in short."""
        return StoreUnavailable(f"shard {shard:02x} lost its data", outcome_unknown=False)


class StoreWorld:
    """The store, its clock and one account with its documents, all as they are today.

    Attributes:
        now_us: The store's time; set it to any instant.
        account: The account's document.
        plans: The plans by name.
        expired: How many holds scripts ended by their expiry on the way, by state.
    """

    def __init__(self, server: ThrowawayValkey, timing: HoldTiming | None = None) -> None:
        """Empties the store and initialises it, with the Free plan and an account on it."""
        self.client = BlockingClient(server)
        self.now_us = START_US
        self.lives = Lives()
        self.timing = timing or HoldTiming()
        clock = SimulatedClock(lambda: self.now_us)
        shards = ShardCalls(
            self.client, _SCRIPTS, lives=self.lives, clock=clock, layout=self.timing.layout
        )
        calls = HoldCalls(self.client, _SCRIPTS, lives=self.lives, clock=clock, timing=self.timing)
        self.holds = ValkeyHoldStore(
            calls,
            most_backlog_entries=self.timing.most_backlog_entries,
            most_lag_ms=self.timing.most_lag_ms,
            on_expired=self._count_expired,
        )
        self.adjustments = ValkeyAdjustmentStore(calls)
        self.sweeper = ValkeySweeper(shards, calls)
        self.accounts = ValkeyAccountStore(shards)
        self.shard = shard_of(free_account().name)
        self.expired: dict[HoldState, int] = {}
        self.plans: dict[PlanName, PlanRecord] = {}
        self._generations = count(1)
        self.empty()
        self.catalog = CatalogRecord(Catalog({}, {}, {}, {}), self._generation(), self.now_us)
        self._write_document("catalog", encode_catalog(self.catalog.catalog), self.catalog)
        self.put_plan(free_plan())
        self.account = self._put_account(free_account())

    def close(self) -> None:
        """Ends the connection."""
        self.client.close()

    def empty(self) -> None:
        """Begins a new life of all shards: nothing is left."""
        self.client.command("FLUSHALL")
        calls = [
            (
                (meta_key(shard), names_key(shard), shard_due_key(shard), ledger_key(shard)),
                (self.timing.layout, _MARKER, "", SHARDS, SHARD_HASH, "simulated"),
            )
            for shard in range(SHARDS)
        ]
        for outcome in finish(self.client.evaluate_each(_SCRIPTS["initialise_shard"], calls)):
            assert outcome == [b"OK", 1], outcome

    def advance(self, seconds: float) -> None:
        """Moves the store's clock, back as well."""
        self.now_us += int(seconds * SECOND_US)

    # Documents.

    def put_plan(self, plan: Plan) -> PlanRecord:
        """Creates or replaces a plan."""
        record = PlanRecord(plan, self._generation(), self.now_us)
        self._write_document(f"plan:{plan.name}", encode_plan(plan), record)
        self.plans[plan.name] = record
        return record

    def put_account(self, **changes: object) -> AccountRecord:
        """Changes the account, or revives it."""
        self.account = self._put_account(replace(self.account.account, **changes))  # type: ignore[arg-type]
        return self.account

    def delete_account(self) -> AccountRecord:
        """Ends admission of the account."""
        name = self.account.account.name
        assert finish(self.accounts.delete_account(name))
        view = finish(self.accounts.get_account(name))
        assert view is not None
        self.account = view.record
        return self.account

    def put_secrets(self, *secrets: KeyRecord) -> AccountRecord:
        """Replaces the key hashes."""
        record = finish(
            self.accounts.put_secrets(
                self.uid, expected=self.account.generation, secrets=tuple(secrets)
            )
        )
        assert record is not None
        self.account = record
        return record

    @property
    def uid(self) -> AccountUid:
        """The account's identity."""
        return self.account.uid

    @property
    def limits(self) -> Limits:
        """What is enforced today."""
        return resolve(self.account, self.plans[self.account.account.plan], self.catalog)

    @property
    def open_period(self) -> Period | None:
        """What the store says is open."""
        view = finish(self.accounts.get_account_by_uid(self.uid))
        assert view is not None
        return view.open_period

    @property
    def proposed(self) -> Period:
        """What a replica with fresh documents proposes to open next."""
        account, period = self.account.account, self.open_period
        end_us = period.end_us if period else None
        return proposed_period(end_us, self.now_us, account.anchor_day, account.time_zone)

    # What can be seen.

    def key(self, name: str) -> str:
        """A key of the account's shard."""
        return f"fx:{{{self.shard:02x}}}:{name}"

    def fields(self) -> dict[str, str]:
        """The account's hash."""
        flat = self.read("HGETALL", account_keys(self.uid).account)
        words = [word.decode(errors="replace") for word in flat]
        return dict(zip(words[::2], words[1::2], strict=True))

    def counter(self, name: str) -> int:
        """A number of the account's hash; 0 where it has none."""
        return int(self.fields().get(name, "0"))

    def live_keys(self) -> set[str]:
        """The request keys of live holds."""
        found = self.read("HKEYS", account_keys(self.uid).holds)
        return {key.decode() for key in found} - {"~"}

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The ledger's entries of the account in their order, keys as text."""
        stream = self.read("XRANGE", ledger_key(self.shard), "-", "+")
        read = [
            {key.decode(): value for key, value in unpack(fields[1]).items()}
            for _, fields in stream
        ]
        ours = [entry for entry in read if entry.get("u") == self.uid.encode()]
        return [entry for entry in ours if kind is None or entry["k"] == kind.encode()]

    def read(self, *command: Argument) -> list[Any]:
        """The reply of a command that answers a list."""
        reply = self.client.command(*command)
        assert isinstance(reply, list)
        return reply

    def _put_account(self, account: Account) -> AccountRecord:
        return finish(self.accounts.put_account(account)).record

    def _count_expired(self, state: HoldState, number: int) -> None:
        self.expired[state] = self.expired.get(state, 0) + number

    def _generation(self) -> Generation:
        return Generation(next(self._generations), "0badcafe")

    def _write_document(
        self, name: str, document: bytes, record: PlanRecord | CatalogRecord
    ) -> None:
        generation, update_us = str(record.generation), record.update_us
        self.client.command(
            "HSET", self.key(name), "gen", generation, "doc", document, "update_us", update_us
        )
