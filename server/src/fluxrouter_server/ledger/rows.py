"""Entries as rows of the tables, and rows as entries; what is read equals what was written."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

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
from fluxrouter_server.domain.ledger import ControlEntry, EntryKind, Funds, LedgerEntry
from fluxrouter_server.domain.pricing import Rates, Usage

__all__ = ["control_row", "entry_row", "labels_text", "read_labels", "read_row"]

_TEXTS_REMEMBERED: Final = 4_096

Row = dict[str, Any]


def labels_text(labels: Mapping[str, str]) -> str:
    """Write labels as one text, the same for the same labels."""
    return _labels_text(tuple(sorted(labels.items()))) if labels else "{}"


def read_labels(text: str) -> dict[str, str]:
    """Read what `labels_text` wrote."""
    labels: dict[str, str] = json.loads(text)
    return labels


def entry_row(entry: LedgerEntry) -> Row:
    """The row of an entry."""
    rates, tokens, funds = entry.rates, entry.usage, entry.funds
    return {
        "uid": entry.uid,
        "epoch": entry.epoch,
        "seq": entry.seq,
        "shard": entry.shard,
        "kind": entry.kind.value,
        "time_us": entry.time_us,
        "period": entry.period,
        "period_start_us": entry.period_start_us,
        "period_end_us": entry.period_end_us,
        "hour": entry.hour,
        "hold_id": entry.hold_id,
        "request_id": entry.request_id,
        "attempt": entry.attempt,
        "n": entry.n,
        "state": entry.state,
        "principal": entry.principal,
        "key_name": entry.key,
        "labels": labels_text(entry.labels),
        "model_asked": entry.model_asked,
        "model": entry.model,
        "lane": entry.lane,
        "tier": entry.tier,
        "upstream": entry.upstream,
        "upstream_model": entry.upstream_model,
        "input_rate_nano_usd": rates.input_nano_usd,
        "cached_input_rate_nano_usd": rates.cached_input_nano_usd,
        "cache_write_rate_nano_usd": rates.cache_write_nano_usd,
        "output_rate_nano_usd": rates.output_nano_usd,
        "has_usage": entry.has_usage,
        "input_tokens": tokens.input_tokens,
        "cached_input_tokens": tokens.cached_input_tokens,
        "cache_write_tokens": tokens.cache_write_tokens,
        "output_tokens": tokens.output_tokens,
        "reasoning_tokens": tokens.reasoning_tokens,
        "catalog_generation": entry.catalog_generation,
        "plan": entry.plan,
        "plan_generation": entry.plan_generation,
        "cost_nano_usd": funds.cost_nano_usd,
        "billed_nano_usd": funds.billed_nano_usd,
        "absorbed_nano_usd": funds.absorbed_nano_usd,
        "included_nano_usd": funds.included_nano_usd,
        "metered_nano_usd": funds.metered_nano_usd,
        "credit_nano_usd": funds.credit_nano_usd,
        "freed_nano_usd": entry.freed_nano_usd,
        "settled_after_nano_usd": entry.settled_after_nano_usd,
        "levels": _levels_text(entry.levels),
        "percent": entry.percent,
        "reason": entry.reason,
    }


def read_row(row: Mapping[Any, Any]) -> LedgerEntry:
    """The entry of a row."""
    return LedgerEntry(
        uid=AccountUid(row["uid"]),
        epoch=row["epoch"],
        seq=row["seq"],
        shard=row["shard"],
        kind=EntryKind(row["kind"]),
        time_us=row["time_us"],
        period=row["period"],
        period_start_us=row["period_start_us"],
        period_end_us=row["period_end_us"],
        hour=row["hour"],
        hold_id=None if row["hold_id"] is None else HoldId(row["hold_id"]),
        request_id=RequestId(row["request_id"]),
        attempt=row["attempt"],
        n=row["n"],
        state=row["state"],
        principal=Principal(row["principal"]),
        key=KeyName(row["key_name"]),
        labels=read_labels(row["labels"]),
        model_asked=row["model_asked"],
        model=ModelId(row["model"]),
        lane=LaneId(row["lane"]),
        tier=row["tier"],
        upstream=row["upstream"],
        upstream_model=row["upstream_model"],
        rates=_read_rates(row),
        usage=_read_usage(row),
        has_usage=row["has_usage"],
        catalog_generation=row["catalog_generation"],
        plan=PlanName(row["plan"]),
        plan_generation=row["plan_generation"],
        funds=_read_funds(row),
        freed_nano_usd=row["freed_nano_usd"],
        settled_after_nano_usd=row["settled_after_nano_usd"],
        levels=tuple(json.loads(row["levels"])),
        percent=row["percent"],
        reason=row["reason"],
    )


def control_row(entry: ControlEntry) -> Row:
    """The row of a document's entry."""
    return {
        "shard": entry.shard,
        "epoch": entry.epoch,
        "stream_id": entry.stream_id,
        "time_us": entry.time_us,
        "document": entry.document,
        "name": entry.name,
        "generation": entry.generation,
        "body": entry.body,
        "uid": entry.uid,
        "seq": entry.seq,
        "flags": entry.flags,
    }


def _read_rates(row: Mapping[Any, Any]) -> Rates:
    return Rates(
        row["input_rate_nano_usd"],
        row["cached_input_rate_nano_usd"],
        row["cache_write_rate_nano_usd"],
        row["output_rate_nano_usd"],
    )


def _read_usage(row: Mapping[Any, Any]) -> Usage:
    return Usage(
        row["input_tokens"],
        row["cached_input_tokens"],
        row["cache_write_tokens"],
        row["output_tokens"],
        row["reasoning_tokens"],
    )


def _read_funds(row: Mapping[Any, Any]) -> Funds:
    return Funds(
        cost_nano_usd=row["cost_nano_usd"],
        billed_nano_usd=row["billed_nano_usd"],
        absorbed_nano_usd=row["absorbed_nano_usd"],
        included_nano_usd=row["included_nano_usd"],
        metered_nano_usd=row["metered_nano_usd"],
        credit_nano_usd=row["credit_nano_usd"],
    )


@lru_cache(maxsize=_TEXTS_REMEMBERED)
def _labels_text(labels: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=_TEXTS_REMEMBERED)
def _levels_text(levels: tuple[str, ...]) -> str:
    return json.dumps(levels, ensure_ascii=False, separators=(",", ":"))
