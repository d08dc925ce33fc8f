"""One account on a real store with a simulated clock: what tests of holds act in.

Plans and the catalog are written into the account's shard only, in the shape that the document
stores give them; everything else goes through the adapters that a server uses.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from fluxrouter_server.domain.accounts import Account, LimitOverrides, PaymentMethod
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.hold_ids import HoldRef, parse_hold_id
from fluxrouter_server.domain.holds import Candidate, Hold, HoldState, Receipt
from fluxrouter_server.domain.ids import (
    AccountName,
    AccountUid,
    LaneId,
    ModelId,
    PlanName,
    Principal,
    RequestId,
)
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Generation,
    Limits,
    PlanRecord,
    resolve,
)
from fluxrouter_server.domain.periods import Period, proposed_period
from fluxrouter_server.domain.plans import Enforcement, HoldRules, Overage, Plan, RateLimits
from fluxrouter_server.domain.pricing import Rates, Usage
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.holds import (
    AdmitCommand,
    Admitted,
    ExtendCommand,
    Extended,
    Fit,
    ReleaseCommand,
    SettleCommand,
    SpendReading,
    Stale,
)
from fluxrouter_server.store.account_store import ValkeyAccountStore
from fluxrouter_server.store.clock import SimulatedClock
from fluxrouter_server.store.documents import encode_catalog, encode_plan
from fluxrouter_server.store.hold_calls import HoldCalls
from fluxrouter_server.store.hold_records import unpack
from fluxrouter_server.store.hold_store import ValkeyHoldStore
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.keys import (
    LAYOUT_VERSION,
    SHARD_HASH,
    SHARDS,
    account_keys,
    ledger_key,
    meta_key,
    names_key,
    shard_due_key,
    shard_of,
)
from fluxrouter_server.store.scripts import read_scripts
from fluxrouter_server.store.shard_calls import ShardCalls
from fluxrouter_server.store.sweeping import ValkeySweeper
from fluxrouter_testing.blocking_store import BlockingClient, finish
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["DOLLAR", "HOUR_US", "SECOND_US", "START_US", "HoldWorld", "candidate", "free_plan"]

DOLLAR: Final = 1_000_000_000
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
START_US: Final = 1_790_000_000 * SECOND_US
"""Mid-September 2026, so the open month has a start and an end on either side."""

_NAME: Final = AccountName("team/acme")
_MARKER: Final = "m1"
_SCRIPTS: Final = read_scripts()
_RATES: Final = Rates(1 * DOLLAR, DOLLAR // 4, DOLLAR * 5 // 4, 4 * DOLLAR)


def candidate(
    model: str = "fast-1",
    *,
    input_tokens: int = 1_000,
    output_tokens: int = 1_000,
    choices: int = 1,
    rates: Rates = _RATES,
) -> Candidate:
    """A candidate at $1.25 (dearest input) and $4 for 1M tokens: 5.25 milli-dollars by default."""
    return Candidate(
        model=ModelId(model),
        lane=LaneId("express"),
        upstream="provider",
        upstream_model=f"{model}-latest",
        rates=rates,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        choices=choices,
    )


def free_plan(**changes: Any) -> Plan:
    """A plan of $1 without rate limits, whose overdue holds are charged after 120 s."""
    plan = Plan(
        name=PlanName("free"),
        display_name="Free",
        description="",
        fee_nano_usd=0,
        included_credit_nano_usd=DOLLAR,
        cap_nano_usd=DOLLAR,
        ceiling_nano_usd=None,
        overage=Overage.NONE,
        hourly_cap_nano_usd=None,
        rate_limits=RateLimits(),
        lanes=None,
        models=None,
        payment_method_required=False,
        enforcement=Enforcement.ENFORCE,
        holds=HoldRules(),
        alert_percents=(80, 100),
    )
    return replace(plan, **changes)


@dataclass
class Lives:
    """The markers that the shards have here; a test may expect others."""

    markers: list[str] = field(default_factory=lambda: [_MARKER] * SHARDS)

    def report_lost(self, shard: int) -> StoreUnavailable:
        """The error that a layout keeper makes, in short."""
        return StoreUnavailable(f"shard {shard:02x} lost its data", outcome_unknown=False)


class HoldWorld:
    """The store, its clock, one account with its documents, and shorthands to act on them.

    `limits` are today's; pass older ones to act as a replica that missed a change.
    """

    def __init__(self, server: ThrowawayValkey, timing: HoldTiming | None = None) -> None:
        """Empties the store and initialises it."""
        self.client = BlockingClient(server)
        self.now_us = START_US
        self.lives = Lives()
        self.timing = timing or HoldTiming()
        clock = SimulatedClock(lambda: self.now_us)
        shards = ShardCalls(self.client, _SCRIPTS, lives=self.lives, clock=clock)
        self.calls = HoldCalls(
            self.client, _SCRIPTS, lives=self.lives, clock=clock, timing=self.timing
        )
        self.holds = ValkeyHoldStore(
            self.calls,
            most_backlog_entries=self.timing.most_backlog_entries,
            on_expired=self._count_expired,
        )
        self.sweeper = ValkeySweeper(shards, self.calls)
        self.accounts = ValkeyAccountStore(shards)
        self.shard = shard_of(_NAME)
        self.expired: dict[HoldState, int] = {}
        self._generations = count(1)
        self._requests = count(1)
        self._initialise()
        self.catalog = CatalogRecord(Catalog({}, {}, {}, {}), self._generation(), self.now_us)
        self._write_document("catalog", encode_catalog(self.catalog.catalog), self.catalog)
        self.plans: dict[PlanName, PlanRecord] = {}
        self.put_plan(free_plan())
        self.account = self.put_account()

    def close(self) -> None:
        """Ends the connection."""
        self.client.close()

    # Documents.

    def put_plan(self, plan: Plan) -> PlanRecord:
        """Creates or replaces a plan."""
        record = PlanRecord(plan, self._generation(), self.now_us)
        self._write_document(f"plan:{plan.name}", encode_plan(plan), record)
        self.plans[plan.name] = record
        return record

    def put_account(self, **changes: Any) -> AccountRecord:
        """Creates the account, or changes what it was."""
        known = getattr(self, "account", None)
        wanted = known.account if known else _account()
        self.account = finish(self.accounts.put_account(replace(wanted, **changes))).record
        return self.account

    def delete_account(self) -> AccountRecord:
        """Ends admission of the account."""
        assert finish(self.accounts.delete_account(_NAME))
        view = finish(self.accounts.get_account(_NAME))
        assert view is not None
        self.account = view.record
        return self.account

    def put_secrets(self, *secrets: Any) -> AccountRecord:
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
        """What a replica with fresh documents proposes."""
        account, period = self.account.account, self.open_period
        end_us = period.end_us if period else None
        return proposed_period(end_us, self.now_us, account.anchor_day, account.time_zone)

    # Decisions.

    def command(self, request_id: str | None = None, **changes: Any) -> AdmitCommand:
        """A request of the account, without a key; the digest follows the request id."""
        request_id = request_id or f"request-{next(self._requests)}"
        command = AdmitCommand(
            limits=changes.pop("limits", None) or self.limits,
            principal=Principal("service/edge"),
            key_hash=None,
            key_name=None,
            request_id=RequestId(request_id),
            attempt=1,
            digest=request_id.encode()[:16].ljust(16, b"\0"),
            candidates=(candidate(),),
            proposed_period=changes.pop("proposed_period", None) or self.proposed,
            labels={},
            model_asked="flux-auto",
            tier=None,
        )
        return replace(command, **changes)

    def ask(self, request_id: str | None = None, **changes: Any) -> Admitted | Denial | Stale:
        """Asks for an admission."""
        return finish(self.holds.admit(self.command(request_id, **changes)))

    def admit(self, request_id: str | None = None, **changes: Any) -> Hold:
        """Asks for an admission that must be given anew."""
        answer = self.ask(request_id, **changes)
        assert isinstance(answer, Admitted), answer
        assert not answer.replayed
        return answer.hold

    def deny(self, request_id: str | None = None, **changes: Any) -> Denial:
        """Asks for an admission that must be denied."""
        answer = self.ask(request_id, **changes)
        assert isinstance(answer, Denial), answer
        return answer

    def check(self, **changes: Any) -> Fit | Stale:
        """Asks what admission would do."""
        return finish(self.holds.check(self.command(**changes)))

    def settle(self, hold: Hold, usage: Usage | None = None, **changes: Any) -> Any:
        """Settles a hold with 1,000 input and 1,000 output tokens, or that usage."""
        command = SettleCommand(
            hold=ref(hold),
            usage=usage or Usage(1_000, 0, 0, 1_000),
            limits=changes.pop("limits", None) or self.limits,
            principal=Principal("service/edge"),
            may_meter_any=False,
        )
        return finish(self.holds.settle(replace(command, **changes)))

    def release(self, hold: Hold, **changes: Any) -> Any:
        """Releases a hold by its id."""
        command = ReleaseCommand(
            uid=self.uid,
            request_id=None,
            attempt=hold.attempt,
            hold=ref(hold),
            limits=self.limits,
            principal=Principal("service/edge"),
            may_meter_any=False,
        )
        return finish(self.holds.release(replace(command, **changes)))

    def release_request(self, request_id: str, attempt: int = 1, **changes: Any) -> Receipt:
        """Releases whatever was admitted under a request's id."""
        command = ReleaseCommand(
            uid=self.uid,
            request_id=RequestId(request_id),
            attempt=attempt,
            hold=None,
            limits=self.limits,
            principal=Principal("service/edge"),
            may_meter_any=False,
        )
        answer = finish(self.holds.release(replace(command, **changes)))
        assert isinstance(answer, Receipt), answer
        return answer

    def extend(self, hold: Hold, **changes: Any) -> Extended | Denial | Stale:
        """Extends a hold; give `output_tokens` or `expire_us`."""
        command = ExtendCommand(
            hold=ref(hold),
            output_tokens=0,
            expire_us=None,
            limits=changes.pop("limits", None) or self.limits,
            principal=Principal("service/edge"),
            may_meter_any=False,
        )
        return finish(self.holds.extend(replace(command, **changes)))

    def sweep(self) -> Mapping[HoldState, int]:
        """Sweeps all shards once."""
        return asyncio.run(self.sweeper.sweep())

    def spend(self) -> SpendReading:
        """Reads the counters as callers see them."""
        reading = finish(self.holds.read_spend(self.limits, self.proposed))
        assert isinstance(reading, SpendReading), reading
        return reading

    # The state of the world.

    def advance(self, seconds: float) -> None:
        """Moves the store's clock, back as well."""
        self.now_us += int(seconds * SECOND_US)

    def fields(self) -> dict[str, str]:
        """The account's hash."""
        flat = [part.decode(errors="replace") for part in self._read("HGETALL", "account")]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def counter(self, name: str) -> int:
        """A number of the account's hash; 0 where it has none."""
        return int(self.fields().get(name, "0"))

    def live_keys(self) -> set[str]:
        """The request keys of live holds."""
        return {key.decode() for key in self._read("HKEYS", "holds")} - {"~"}

    def live_records(self) -> dict[str, list[Any]]:
        """Live holds as they are kept, by request key."""
        flat = self._read("HGETALL", "holds")
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {key.decode(): unpack(blob) for key, blob in pairs if key != b"~"}

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The ledger's entries of the account in their order, keys as text."""
        stream = self.client.command("XRANGE", ledger_key(self.shard), "-", "+")
        read = [
            {key.decode(): value for key, value in unpack(fields[1]).items()}
            for _, fields in stream
        ]
        ours = [entry for entry in read if entry.get("u") == self.uid.encode()]
        return [entry for entry in ours if kind is None or entry["k"] == kind.encode()]

    def _read(self, command: str, key: str) -> list[bytes]:
        found: list[bytes] = self.client.command(command, getattr(account_keys(self.uid), key))
        return found

    def _count_expired(self, state: HoldState, number: int) -> None:
        self.expired[state] = self.expired.get(state, 0) + number

    def _generation(self) -> Generation:
        return Generation(next(self._generations), "0badcafe")

    def _initialise(self) -> None:
        script = _SCRIPTS["initialise_shard"]
        self.client.command("FLUSHALL")
        calls = [
            (
                (meta_key(shard), names_key(shard), shard_due_key(shard), ledger_key(shard)),
                (LAYOUT_VERSION, _MARKER, "", SHARDS, SHARD_HASH, "simulated"),
            )
            for shard in range(SHARDS)
        ]
        for outcome in finish(self.client.evaluate_each(script, calls)):
            assert outcome == [b"OK", 1], outcome

    def _write_document(self, key: str, document: bytes, record: PlanRecord | CatalogRecord) -> None:
        name = f"fx:{{{self.shard:02x}}}:{key}"
        generation, update_us = str(record.generation), record.update_us
        self.client.command(
            "HSET", name, "gen", generation, "doc", document, "update_us", update_us
        )


def ref(hold: Hold) -> HoldRef:
    """The parts of a hold's id."""
    parts = parse_hold_id(hold.id)
    assert parts is not None, hold.id
    return parts


def _account() -> Account:
    return Account(
        name=_NAME,
        display_name="Acme",
        plan=PlanName("free"),
        anchor_day=1,
        time_zone="UTC",
        payment_method=PaymentMethod.NONE,
        suspended=False,
        overrides=LimitOverrides(),
        budgets=(),
        keys=(),
    )
