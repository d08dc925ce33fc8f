"""UsageService: tells what happened to an account's money."""

from collections.abc import AsyncIterator

from fluxrouter.v1 import usage_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_requests import read_account_ref, read_named_account
from fluxrouter_server.api.wire_usage import (
    check_response,
    entry_messages,
    read_filter,
    read_group_by,
    read_instant,
    usage_response,
)
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.usage_service import UsageService

__all__ = ["UsageApi"]


class UsageApi:
    """The methods of `fluxrouter.v1.UsageService`, knowing no transport.

    Args:
        usage: What reads the ledger.
    """

    def __init__(self, usage: UsageService) -> None:
        self._usage = usage

    async def get_usage(
        self, message: usage_pb2.GetUsageRequest, context: CallContext
    ) -> usage_pb2.GetUsageResponse | Denial:
        """Answers GetUsage."""
        account = read_account_ref(message.account, message.api_key)
        if isinstance(account, Denial):
            return account
        reader = FieldReader()
        start_us = read_instant(message, "start_time", reader)
        end_us = read_instant(message, "end_time", reader)
        group_by = read_group_by(message, reader)
        wrong = reader.denial()
        if wrong is not None:
            return wrong
        report = await self._usage.get_usage(
            account, context.caller, start_us=start_us, end_us=end_us, group_by=group_by
        )
        return report if isinstance(report, Denial) else usage_response(report)

    async def list_ledger(
        self, message: usage_pb2.ListLedgerRequest, context: CallContext
    ) -> usage_pb2.ListLedgerResponse | Denial:
        """Answers ListLedger."""
        account = read_account_ref(message.account, message.api_key)
        if isinstance(account, Denial):
            return account
        wanted = read_filter(message)
        if isinstance(wanted, Denial):
            return wanted
        page = await self._usage.list_entries(
            account,
            context.caller,
            wanted,
            page_size=message.page_size,
            page_token=message.page_token,
        )
        if isinstance(page, Denial):
            return page
        return usage_pb2.ListLedgerResponse(
            entries=entry_messages(page.found), next_page_token=page.next_token
        )

    async def export_ledger(
        self, message: usage_pb2.ExportLedgerRequest, context: CallContext
    ) -> AsyncIterator[usage_pb2.ExportLedgerResponse | Denial]:
        """Answers ExportLedger; a Denial is the last item."""
        account = read_account_ref(message.account, message.api_key)
        wanted = read_filter(message)
        if isinstance(account, Denial):
            yield account
        elif isinstance(wanted, Denial):
            yield wanted
        else:
            async for found in self._usage.export(account, context.caller, wanted):
                if isinstance(found, Denial):
                    yield found
                else:
                    yield usage_pb2.ExportLedgerResponse(entries=entry_messages(found))

    async def check_ledger(
        self, message: usage_pb2.CheckLedgerRequest, context: CallContext
    ) -> AsyncIterator[usage_pb2.CheckLedgerResponse | Denial]:
        """Answers CheckLedger; a Denial is the last item."""
        account = read_named_account(message.account) if message.account else None
        if isinstance(account, Denial):
            yield account
            return
        checked = lagging = 0
        async for progress in self._usage.check(account, context.caller):
            if isinstance(progress, Denial):
                yield progress
                return
            checked += progress.checked
            lagging += progress.lagging
            response = check_response(progress)
            response.checked_accounts, response.lagging_accounts = checked, lagging
            yield response
        yield usage_pb2.CheckLedgerResponse(
            checked_accounts=checked, lagging_accounts=lagging, done=True
        )
