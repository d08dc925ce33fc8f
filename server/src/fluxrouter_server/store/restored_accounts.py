"""The commands that write an account as the ledger knows it."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.domain.adjustments import Adjusted
from fluxrouter_server.domain.hold_ids import HoldRef, parse_hold_id
from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.domain.ledger import LedgerEntry
from fluxrouter_server.domain.limits import Generation
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.plans import Overage, Plan
from fluxrouter_server.services.ports.rebuilding import KnownAccount
from fluxrouter_server.store.adjusting import pack_adjusted
from fluxrouter_server.store.counters import counter_fields
from fluxrouter_server.store.documents import decode_account_record
from fluxrouter_server.store.key_validity import key_fields
from fluxrouter_server.store.keys import SENTINEL, AccountField, account_keys, names_key
from fluxrouter_server.store.packed_limits import pack
from fluxrouter_server.store.replies import Argument, Command

__all__ = ["Past", "account_commands"]

_US_PER_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_ANY_GENERATION: Final = Generation(0, "")


@dataclass(frozen=True, slots=True)
class Past:
    """What tells how ended requests are remembered.

    Attributes:
        now_us: The store's time.
        window_us: The replay window.
        expires: Whether the store's clock is real, so that buckets may expire by themselves.
        plans: Plans as they are today, for corrections that may still come.
    """

    now_us: int
    window_us: int
    expires: bool
    plans: Mapping[PlanName, Plan]


def account_commands(known: KnownAccount, past: Past) -> Iterator[Command]:
    """Yield what writes the account; the shard's sentinels are written with its identity."""
    keys = account_keys(known.uid)
    fields = {**_state_fields(known), **_counters(known), **_keys(known), **_adjustments(known)}
    yield ("HSET", keys.account, *(word for item in fields.items() for word in item))
    yield ("SET", keys.document, known.body)
    yield ("HSET", keys.holds, SENTINEL, "")
    yield ("ZADD", keys.hold_due, "+inf", SENTINEL)
    yield ("ZADD", names_key(keys.shard), 0, f"{known.name}\0{known.uid}")
    # Due at once: the sweep finds out when its periods are to be closed.
    yield ("ZADD", keys.shard_due, past.now_us, known.uid)
    tombstones = list(_tombstones(known, past))
    if tombstones:
        bucket = past.now_us // past.window_us
        key = keys.tombstones(bucket)
        yield ("HSET", key, SENTINEL, "", *tombstones)
        if past.expires:
            end_ms = math.ceil((bucket + 2) * past.window_us / _US_PER_MS) + _MINUTE_MS
            yield ("PEXPIREAT", key, end_ms)


def _state_fields(known: KnownAccount) -> dict[str, Argument]:
    fields: dict[str, Argument] = {
        AccountField.GENERATION: known.generation,
        AccountField.UPDATE_US: known.update_us,
        AccountField.FLAGS: known.flags,
        AccountField.SEQUENCE: known.seq,
    }
    latest = known.latest_period
    if latest is None:
        return fields
    old = [
        number
        for period in known.counters.periods
        if period.number < latest.number
        for number in (period.number, period.start_us, period.end_us)
    ]
    fields[AccountField.PERIOD] = latest.number
    fields[AccountField.PERIOD_START] = latest.start_us
    fields[AccountField.PERIOD_END] = latest.end_us
    fields[AccountField.HOURS] = pack(sorted(known.counters.hours))
    if known.closed_period:
        fields[AccountField.CLOSED] = known.closed_period
    if old:
        fields[AccountField.OLD_PERIODS] = pack(old)
    return fields


def _counters(known: KnownAccount) -> dict[str, Argument]:
    """What is settled, and nothing held; an hour counts as present by its held counter."""
    fields: dict[str, Argument] = dict(counter_fields(known.counters))
    settled = [name for name in fields if name.startswith("s:")]
    return fields | {f"h:{name.removeprefix('s:')}": 0 for name in settled}


def _adjustments(known: KnownAccount) -> dict[str, Argument]:
    """Each adjustment under its id, so that it is not written again."""
    return {
        f"adj:{entry.request_id}": pack_adjusted(_adjusted(entry)) for entry in known.adjustments
    }


def _adjusted(entry: LedgerEntry) -> Adjusted:
    funds = entry.funds
    return Adjusted(
        replayed=False,
        kind=entry.kind,
        amount_nano_usd=abs(funds.credit_nano_usd) or funds.cost_nano_usd,
        reason=entry.reason,
        time_us=entry.time_us,
        period=Period(entry.period_start_us, entry.period_end_us),
        funds=funds,
        settled_after_nano_usd=entry.settled_after_nano_usd,
    )


def _keys(known: KnownAccount) -> dict[str, Argument]:
    record = decode_account_record(
        known.body, uid=known.uid, generation=_ANY_GENERATION, update_us=0, deleted=False
    )
    return dict(key_fields(record.account, record.secrets))


def _tombstones(known: KnownAccount, past: Past) -> Iterator[Argument]:
    """Yield field and value of each request that ended within the window."""
    ended: dict[str, dict[int, list[LedgerEntry]]] = defaultdict(lambda: defaultdict(list))
    refs: dict[tuple[str, int], HoldRef] = {}
    for entry in known.endings:
        ref = parse_hold_id(entry.hold_id or "")
        if ref is not None:
            ended[ref.request_key][ref.attempt].append(entry)
            refs[ref.request_key, ref.attempt] = ref
    for request_key, attempts in ended.items():
        records = [
            _record(refs[request_key, attempt], entries, past)
            for attempt, entries in attempts.items()
        ]
        yield f"{known.uid}/{request_key}"
        yield pack(records)


def _record(ref: HoldRef, entries: Sequence[LedgerEntry], past: Past) -> list[object]:
    """An ended attempt in the order of `lua/lib/records.lua`, as far as entries tell.

    The digest is not among what they tell: an empty one is compared with none. Nor are the wished
    and the granted tokens: what was used stands for them.
    """
    last = entries[-1]
    admitted_us = ref.admitted_ms * _US_PER_MS
    rates, tokens = last.rates, last.usage
    offer = (
        tokens.input_tokens, tokens.output_tokens, 1,
        rates.input_nano_usd, rates.cached_input_nano_usd, rates.cache_write_nano_usd,
        rates.output_nano_usd, last.model, last.lane, last.upstream, last.upstream_model,
    )  # fmt: skip
    levels = [word for level in last.levels for word in (level, -1)]
    origin = (last.key, dict(last.labels), last.model_asked, last.catalog_generation)
    amounts = [
        sum(getattr(entry.funds, name) for entry in entries)
        for name in (
            "cost_nano_usd", "billed_nano_usd", "absorbed_nano_usd", "included_nano_usd",
            "metered_nano_usd",
        )
    ]  # fmt: skip
    return [
        ref.attempt, "", "", ref.epoch, admitted_us, admitted_us, entries[0].freed_nano_usd,
        tokens.output_tokens, last.period, last.period_start_us, last.period_end_us, last.hour,
        pack(levels), last.principal, "", last.request_id, last.tier, pack(offer), pack(origin),
        pack(_terms(last, past.plans)), 0, "", last.state, last.time_us, *amounts, 0, last.n + 1,
    ]  # fmt: skip


def _terms(entry: LedgerEntry, plans: Mapping[PlanName, Plan]) -> list[object]:
    """What a correction that may still come is paid from: the entry's plan as it is today."""
    plan = plans.get(entry.plan)
    credit = 0 if plan is None else plan.included_credit_nano_usd
    is_metered = plan is not None and plan.overage is Overage.METERED
    return [entry.plan, entry.plan_generation, credit, int(is_metered), 0, []]
