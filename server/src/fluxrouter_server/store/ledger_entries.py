"""Reads the entries that scripts write into the ledger streams.

An entry is a msgpack map in field `e`; `lua/lib/ending.lua` and `lua/lib/control.lua` write it. All
have v 1, k (kind), t (µs) and e (epoch). Those of an account have u (uid) and q (sequence).

Of money: p, ps, pe the period's number, start and end; rk, id, a the request's key, id and attempt;
be, ad the epoch and instant of its admission; n; st state; hr hour; b billed, ab absorbed, ic
included, me metered, cr credit, all as changes; hd freed; sa settled after; us [input, cached
input, cache write, output, reasoning] tokens; lv, of, og, tm blobs (see `lua/lib/records.lua`);
pr principal; ti tier; pc percent; rs reason. What a period-close repeats as totals (ab, ic) is not
kept: the entries before it add up to it.
"""

from functools import lru_cache
from typing import Any, Final

import msgpack

from fluxrouter_server.domain.hold_ids import HoldRef, format_hold_id
from fluxrouter_server.domain.ids import (
    AccountUid,
    HoldId,
    KeyName,
    LaneId,
    ModelId,
    PlanName,
    Principal,
    RequestId,
)
from fluxrouter_server.domain.ledger import (
    KINDS_WITHOUT_MONEY,
    NO_RATES,
    NO_USAGE,
    AnyEntry,
    ControlEntry,
    EntryKind,
    Funds,
    LedgerEntry,
    UnreadableEntry,
)
from fluxrouter_server.domain.pricing import Rates, Usage
from fluxrouter_server.store.hold_records import unpack

__all__ = ["read_entry"]

_VERSION: Final = 1
_US_PER_MS: Final = 1_000
_BLOBS_REMEMBERED: Final = 4_096
"""Levels, origins and terms repeat from entry to entry; offers do not."""

_NO_OFFER: Final = ("", "", "", "", NO_RATES)
_NO_ORIGIN: Final[tuple[str, dict[str, str], str, str]] = ("", {}, "", "")
_NO_FUNDS: Final = Funds()

_Map = dict[bytes, Any]


def read_entry(shard: int, stream_id: str, blob: bytes) -> AnyEntry:
    """Read one entry of a shard's stream; what cannot be read comes back as it is, with why."""
    try:
        entry: _Map = unpack(blob)
        if entry[b"v"] != _VERSION:
            raise ValueError(f"version {entry[b'v']!r}")
        if entry[b"k"] == b"control":
            return _read_control(shard, stream_id, entry)
        return _read_money(shard, entry)
    except (ValueError, LookupError, TypeError, AttributeError, msgpack.UnpackException) as error:
        return UnreadableEntry(shard, stream_id, f"{type(error).__name__}: {error}", blob)


def _read_control(shard: int, stream_id: str, entry: _Map) -> ControlEntry:
    uid = entry.get(b"u")
    return ControlEntry(
        shard=shard,
        epoch=entry[b"e"],
        stream_id=stream_id,
        time_us=entry[b"t"],
        document=entry[b"d"].decode(),
        name=_text(entry, b"nm"),
        generation=_text(entry, b"g"),
        body=entry.get(b"by"),
        uid=None if uid is None else AccountUid(uid.decode()),
        seq=entry.get(b"q", 0),
        flags=entry.get(b"fl", 0),
    )


def _read_money(shard: int, entry: _Map) -> LedgerEntry:
    kind = EntryKind(entry[b"k"].decode())
    uid = AccountUid(entry[b"u"].decode())
    model, lane, upstream, upstream_model, rates = _read_offer(entry.get(b"of"))
    key, labels, model_asked, catalog = _read_origin(entry.get(b"og") or b"")
    plan, plan_generation = _read_terms(entry.get(b"tm") or b"")
    tokens = entry.get(b"us")
    return LedgerEntry(
        uid=uid,
        epoch=entry[b"e"],
        seq=entry[b"q"],
        shard=shard,
        kind=kind,
        time_us=entry[b"t"],
        period=entry[b"p"],
        period_start_us=entry[b"ps"],
        period_end_us=entry[b"pe"],
        hour=entry.get(b"hr", 0),
        hold_id=_hold_id(shard, uid, entry) if b"rk" in entry else None,
        request_id=RequestId(_text(entry, b"id")),
        attempt=entry.get(b"a", 0),
        n=entry.get(b"n", 0),
        state=_text(entry, b"st"),
        principal=Principal(_text(entry, b"pr")),
        key=key,
        labels=labels,
        model_asked=model_asked,
        model=ModelId(model),
        lane=LaneId(lane),
        tier=_text(entry, b"ti"),
        upstream=upstream,
        upstream_model=upstream_model,
        rates=rates,
        usage=Usage(*tokens) if tokens else NO_USAGE,
        has_usage=tokens is not None,
        catalog_generation=catalog,
        plan=plan,
        plan_generation=plan_generation,
        funds=_NO_FUNDS if kind in KINDS_WITHOUT_MONEY else _read_funds(entry),
        freed_nano_usd=entry.get(b"hd", 0),
        settled_after_nano_usd=entry.get(b"sa"),
        levels=_read_levels(entry.get(b"lv") or b""),
        percent=entry.get(b"pc", 0),
        reason=_text(entry, b"rs"),
    )


def _read_funds(entry: _Map) -> Funds:
    billed, absorbed, credit = entry[b"b"], entry[b"ab"], entry.get(b"cr", 0)
    return Funds(
        cost_nano_usd=billed + absorbed - credit,
        billed_nano_usd=billed,
        absorbed_nano_usd=absorbed,
        included_nano_usd=entry[b"ic"],
        metered_nano_usd=entry[b"me"],
        credit_nano_usd=credit,
    )


def _hold_id(shard: int, uid: AccountUid, entry: _Map) -> HoldId:
    return format_hold_id(
        HoldRef(
            shard=shard,
            epoch=entry[b"be"],
            admitted_ms=entry[b"ad"] // _US_PER_MS,
            uid=uid,
            request_key=entry[b"rk"].decode(),
            attempt=entry[b"a"],
        )
    )


def _read_offer(blob: bytes | None) -> tuple[str, str, str, str, Rates]:
    """Model, lane, upstream, its name of the model, and the rates."""
    if not blob:
        return _NO_OFFER
    _, _, _, fresh, cached, cache_write, output, *names = unpack(blob)
    model, lane, upstream, upstream_model = (name.decode() for name in names)
    return model, lane, upstream, upstream_model, Rates(fresh, cached, cache_write, output)


@lru_cache(maxsize=_BLOBS_REMEMBERED)
def _read_origin(blob: bytes) -> tuple[KeyName, dict[str, str], str, str]:
    """Key name, labels, model asked, catalog generation."""
    if not blob:
        key, labels, model_asked, catalog = _NO_ORIGIN
        return KeyName(key), labels, model_asked, catalog
    key_name, raw_labels, asked, generation = unpack(blob)
    read = {_free(name): _free(value) for name, value in raw_labels.items()}
    return KeyName(key_name.decode()), read, _free(asked), generation.decode()


@lru_cache(maxsize=_BLOBS_REMEMBERED)
def _read_terms(blob: bytes) -> tuple[PlanName, str]:
    """Plan and its generation."""
    if not blob:
        return PlanName(""), ""
    plan, generation, *_ = unpack(blob)
    return PlanName(plan.decode()), generation.decode()


@lru_cache(maxsize=_BLOBS_REMEMBERED)
def _read_levels(blob: bytes) -> tuple[str, ...]:
    """Names without the caps between them."""
    return tuple(name.decode() for name in unpack(blob)[::2]) if blob else ()


def _free(text: bytes) -> str:
    """What callers wrote: no database takes a NUL, and half a character must not lose an entry."""
    return text.decode(errors="replace").replace("\0", "\ufffd")


def _text(entry: _Map, name: bytes) -> str:
    found: bytes = entry.get(name, b"")
    return found.decode()
