"""Ledger entries as FOCUS, the FinOps Foundation's format of billing data (version 1.2, CSV).

One line for each entry that moves money; amounts are decimal strings of USD, exact to the
nano-dollar. Columns that begin with `x_` are ours, as the format asks for.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from json import dumps
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import usage_pb2
from fluxrouter_server.domain.money import format_usd

__all__ = ["COLUMNS", "focus_lines"]

COLUMNS: Final = (
    "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost",
    "ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "InvoiceIssuerName",
    "ServiceCategory", "ServiceName", "SkuId", "ResourceId", "ResourceName", "ResourceType",
    "SubAccountId", "SubAccountName", "Tags",
    "x_EntryId", "x_EntryKind", "x_RequestId", "x_Lane", "x_ModelAsked",
    "x_InputTokens", "x_CachedInputTokens", "x_CacheWriteTokens", "x_OutputTokens",
    "x_AbsorbedCost", "x_IncludedCost", "x_MeteredCost",
)  # fmt: skip

_SELLER: Final = "FluxRouter"
_HOUR: Final = timedelta(hours=1)
_NO_CHARGE: Final = frozenset({"release", "alert", "period-close"})
_CORRECTIONS: Final = frozenset({"correction", "adjustment", "invoice-credit"})
_CREDITS: Final = frozenset({"invoice-credit"})
_ADJUSTMENTS: Final = frozenset({"adjustment"})


def focus_lines(entries: Iterable[usage_pb2.LedgerEntry]) -> Iterator[str]:
    """Yields CSV lines without their ends; the header is `COLUMNS` and left to the caller."""
    for entry in entries:
        if entry.kind not in _NO_CHARGE:
            yield csv_line(_row(entry))


def csv_line(values: Iterable[str]) -> str:
    """Writes one line as RFC 4180 has it."""
    text = StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _row(entry: usage_pb2.LedgerEntry) -> list[str]:
    sums = entry.sums
    begin = entry.entry_time.ToDatetime().replace(minute=0, second=0, microsecond=0)
    tokens = sum(
        (sums.input_tokens, sums.cached_input_tokens, sums.cache_write_tokens, sums.output_tokens)
    )
    billed = format_usd(sums.billed_nano_usd - sums.credit_nano_usd)
    effective = format_usd(sums.metered_nano_usd - sums.credit_nano_usd)
    cost = format_usd(sums.cost_nano_usd)
    values = {
        "BillingAccountId": entry.account_uid,
        "BillingAccountName": entry.account,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _time(entry.period_start_time),
        "BillingPeriodEnd": _time(entry.period_end_time),
        "ChargePeriodStart": _iso(begin),
        "ChargePeriodEnd": _iso(begin + _HOUR),
        "ChargeCategory": _category(entry.kind),
        "ChargeClass": "Correction" if entry.kind in _CORRECTIONS else "",
        "ChargeDescription": entry.reason or f"{entry.kind} of {entry.request_id}",
        "ChargeFrequency": "Usage-Based",
        "BilledCost": billed,
        "EffectiveCost": effective,
        "ListCost": cost,
        "ContractedCost": cost,
        "ConsumedQuantity": str(tokens),
        "ConsumedUnit": "Tokens",
        "PricingQuantity": format_usd(tokens * 1_000),  # tokens in millions, exactly
        "PricingUnit": "1000000 Tokens",
        "ProviderName": _SELLER,
        "PublisherName": entry.upstream,
        "InvoiceIssuerName": _SELLER,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "LLM routing",
        "SkuId": entry.lane,
        "ResourceId": entry.model,
        "ResourceName": entry.model,
        "ResourceType": "Model",
        "SubAccountId": entry.key,
        "SubAccountName": entry.key,
        "Tags": dumps(dict(entry.labels), sort_keys=True, ensure_ascii=False),
        "x_EntryId": entry.id,
        "x_EntryKind": entry.kind,
        "x_RequestId": entry.request_id,
        "x_Lane": entry.lane,
        "x_ModelAsked": entry.model_asked,
        "x_InputTokens": str(sums.input_tokens),
        "x_CachedInputTokens": str(sums.cached_input_tokens),
        "x_CacheWriteTokens": str(sums.cache_write_tokens),
        "x_OutputTokens": str(sums.output_tokens),
        "x_AbsorbedCost": format_usd(sums.absorbed_nano_usd),
        "x_IncludedCost": format_usd(sums.included_nano_usd),
        "x_MeteredCost": format_usd(sums.metered_nano_usd),
    }
    return [values[column] for column in COLUMNS]


def _category(kind: str) -> str:
    if kind in _CREDITS:
        return "Credit"
    return "Adjustment" if kind in _ADJUSTMENTS else "Usage"


def _time(time: Timestamp) -> str:
    return _iso(time.ToDatetime())


def _iso(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='seconds')}Z"
