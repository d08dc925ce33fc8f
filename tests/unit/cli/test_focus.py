import csv
import json

from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import usage_pb2
from fluxrouter_server.cli.focus import COLUMNS, csv_line, focus_lines


def entry(**changes: object) -> usage_pb2.LedgerEntry:
    values: dict[str, object] = {
        "id": "uid.1.2",
        "account": "team/acme",
        "account_uid": "uid",
        "kind": "settlement",
        "entry_time": Timestamp(seconds=1_790_001_234),
        "period_start_time": Timestamp(seconds=1_788_220_800),
        "period_end_time": Timestamp(seconds=1_790_812_800),
        "request_id": "mine",
        "labels": {"team": 'se"arch, all'},
        "model": "fast-1",
        "lane": "express",
        "upstream": "provider",
        "sums": usage_pb2.UsageSums(
            input_tokens=1_000,
            output_tokens=500,
            cost_nano_usd=3_000_001,
            billed_nano_usd=3_000_000,
            absorbed_nano_usd=1,
            metered_nano_usd=1_000_000,
            included_nano_usd=2_000_000,
        ),
    }
    return usage_pb2.LedgerEntry(**(values | changes))  # type: ignore[arg-type]


def rows(*entries: usage_pb2.LedgerEntry) -> list[dict[str, str]]:
    return list(csv.DictReader([csv_line(COLUMNS), *focus_lines(entries)]))


def test_a_settlement_is_a_usage_charge_of_its_hour_exact_to_the_nano_dollar() -> None:
    (row,) = rows(entry())
    assert (row["ChargeCategory"], row["BillingAccountName"]) == ("Usage", "team/acme")
    assert row["ChargePeriodStart"] == "2026-09-21T14:00:00Z"
    assert row["ChargePeriodEnd"] == "2026-09-21T15:00:00Z"
    assert row["BillingPeriodStart"] == "2026-09-01T00:00:00Z"
    assert (row["BilledCost"], row["EffectiveCost"], row["ListCost"]) == (
        "0.003",
        "0.001",
        "0.003000001",
    )
    assert (row["ConsumedQuantity"], row["PricingQuantity"]) == ("1500", "0.0015")


def test_labels_are_tags_whatever_they_hold() -> None:
    (row,) = rows(entry())
    assert json.loads(row["Tags"]) == {"team": 'se"arch, all'}


def test_what_moves_no_money_is_left_out() -> None:
    assert rows(entry(kind="release"), entry(kind="alert"), entry(kind="period-close")) == []


def test_corrections_and_credits_say_so() -> None:
    credit = usage_pb2.UsageSums(cost_nano_usd=-5, credit_nano_usd=5)
    corrected, credited = rows(
        entry(kind="correction"), entry(kind="invoice-credit", sums=credit, reason="outage")
    )
    assert corrected["ChargeClass"] == credited["ChargeClass"] == "Correction"
    assert (credited["ChargeCategory"], credited["ChargeDescription"]) == ("Credit", "outage")
    assert credited["BilledCost"] == "-0.000000005"
