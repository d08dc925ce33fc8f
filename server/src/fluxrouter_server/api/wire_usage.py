"""Usage and ledger entries as messages, and requests about them as values."""

from collections.abc import Sequence
from dataclasses import replace

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import usage_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_time import timestamp
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.domain.ledger import EntryKind, LedgerEntry
from fluxrouter_server.domain.usage import GroupBy, UsageSums
from fluxrouter_server.services.ledger_check import CheckProgress
from fluxrouter_server.services.ports.holds import SpendReading
from fluxrouter_server.services.ports.ledger import Drift, EntryFilter
from fluxrouter_server.services.usage_service import NamedEntries, UsageReport

__all__ = [
    "check_response",
    "drift_message",
    "entry_messages",
    "read_filter",
    "read_group_by",
    "read_instant",
    "sums_message",
    "usage_response",
]


def read_instant(message: Message, name: str, reader: FieldReader) -> int | None:
    """Returns an instant of a message in µs since 1970 UTC; None where it is absent."""
    if not message.HasField(name):
        return None
    time: Timestamp = getattr(message, name)
    return reader.instant_us(name, time)


def read_group_by(message: usage_pb2.GetUsageRequest, reader: FieldReader) -> Sequence[GroupBy]:
    """Returns by what to group, in the order asked for, each once."""
    reader.choices("group_by", message.group_by, GroupBy)  # names all that are wrong
    known = [GroupBy(text) for text in message.group_by if text in set(GroupBy)]
    return tuple(dict.fromkeys(known))


def read_filter(
    message: usage_pb2.ListLedgerRequest | usage_pb2.ExportLedgerRequest,
) -> EntryFilter | Denial:
    """Returns which entries are wanted."""
    reader = FieldReader()
    start_us = read_instant(message, "start_time", reader)
    end_us = read_instant(message, "end_time", reader)
    wanted = EntryFilter(start_us=start_us, end_us=end_us)
    if isinstance(message, usage_pb2.ListLedgerRequest):
        wanted = replace(
            wanted,
            request_id=message.request_id,
            hold_id=message.hold_id,
            kinds=reader.choices("kinds", message.kinds, EntryKind),
        )
    return reader.denial() or wanted


def usage_response(report: UsageReport) -> usage_pb2.GetUsageResponse:
    """Writes what was used."""
    response = usage_pb2.GetUsageResponse(
        account=report.limits.account,
        start_time=timestamp(report.span.start_us),
        end_time=timestamp(report.span.end_us),
        total=sums_message(report.total),
        groups=[
            usage_pb2.UsageGroup(
                group_by=group.by, value=group.value, sums=sums_message(group.sums)
            )
            for group in report.groups
        ],
    )
    if report.reading is not None:
        response.period.CopyFrom(_period(report, report.reading))
    return response


def entry_messages(found: NamedEntries) -> list[usage_pb2.LedgerEntry]:
    """Writes entries."""
    return [_entry(entry, found.names.get(entry.uid, AccountName(""))) for entry in found.entries]


def check_response(progress: CheckProgress) -> usage_pb2.CheckLedgerResponse:
    """Writes what differs; the caller counts accounts."""
    return usage_pb2.CheckLedgerResponse(drifts=map(drift_message, progress.drifts))


def drift_message(drift: Drift) -> usage_pb2.LedgerDrift:
    """Writes something that differs, or did."""
    start_us = drift.period_start_us
    return usage_pb2.LedgerDrift(
        account=drift.account,
        what=drift.what,
        period_start_time=None if start_us is None else timestamp(start_us),
        in_store=drift.in_store,
        in_ledger=drift.in_ledger,
    )


def _period(report: UsageReport, reading: SpendReading) -> usage_pb2.PeriodToDate:
    account = reading.levels[0]
    cap = report.limits.month_cap_nano_usd
    return usage_pb2.PeriodToDate(
        plan=report.limits.plan,
        cap_nano_usd=cap,
        settled_nano_usd=account.settled_nano_usd,
        held_nano_usd=account.held_nano_usd,
        headroom_nano_usd=max(0, cap - account.settled_nano_usd - account.held_nano_usd),
        included_used_nano_usd=reading.included_used_nano_usd,
        projected_nano_usd=report.projected_nano_usd,
    )


def sums_message(sums: UsageSums) -> usage_pb2.UsageSums:
    """Writes sums."""
    tokens, funds = sums.usage, sums.funds
    return usage_pb2.UsageSums(
        requests=sums.requests,
        input_tokens=tokens.input_tokens,
        cached_input_tokens=tokens.cached_input_tokens,
        cache_write_tokens=tokens.cache_write_tokens,
        output_tokens=tokens.output_tokens,
        reasoning_tokens=tokens.reasoning_tokens,
        cost_nano_usd=funds.cost_nano_usd,
        billed_nano_usd=funds.billed_nano_usd,
        absorbed_nano_usd=funds.absorbed_nano_usd,
        included_nano_usd=funds.included_nano_usd,
        metered_nano_usd=funds.metered_nano_usd,
        credit_nano_usd=funds.credit_nano_usd,
    )


def _entry(entry: LedgerEntry, account: AccountName) -> usage_pb2.LedgerEntry:
    rates = entry.rates
    return usage_pb2.LedgerEntry(
        id=f"{entry.uid}.{entry.epoch}.{entry.seq}",
        account=account,
        account_uid=entry.uid,
        epoch=entry.epoch,
        seq=entry.seq,
        kind=entry.kind,
        entry_time=timestamp(entry.time_us),
        period_start_time=timestamp(entry.period_start_us),
        period_end_time=timestamp(entry.period_end_us),
        hold_id=entry.hold_id or "",
        request_id=entry.request_id,
        attempt=entry.attempt,
        state=entry.state,
        key=entry.key,
        labels=entry.labels,
        model_asked=entry.model_asked,
        model=entry.model,
        lane=entry.lane,
        tier=entry.tier,
        upstream=entry.upstream,
        upstream_model=entry.upstream_model,
        rates=usage_pb2.LedgerRates(
            input_nano_usd=rates.input_nano_usd,
            cached_input_nano_usd=rates.cached_input_nano_usd,
            cache_write_nano_usd=rates.cache_write_nano_usd,
            output_nano_usd=rates.output_nano_usd,
        ),
        sums=sums_message(UsageSums(int(entry.has_usage), entry.usage, entry.funds)),
        freed_nano_usd=entry.freed_nano_usd,
        settled_after_nano_usd=entry.settled_after_nano_usd,
        plan=entry.plan,
        plan_generation=entry.plan_generation,
        catalog_generation=entry.catalog_generation,
        principal=entry.principal,
        percent=entry.percent,
        reason=entry.reason,
    )
