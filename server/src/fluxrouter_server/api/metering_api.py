"""MeteringService: ends holds, or enlarges them."""

from fluxrouter.v1 import metering_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_decisions import extend_response, set_receipt
from fluxrouter_server.api.wire_requests import read_account_ref, read_usage
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import RequestId
from fluxrouter_server.services.metering_service import MeteringService, RequestRef
from fluxrouter_server.services.refusals import invalid_field

__all__ = ["MeteringApi"]


class MeteringApi:
    """The methods of `fluxrouter.v1.MeteringService`, knowing no transport.

    Args:
        metering: What decides.
    """

    def __init__(self, metering: MeteringService) -> None:
        self._metering = metering

    async def settle(
        self, message: metering_pb2.SettleRequest, context: CallContext
    ) -> metering_pb2.SettleResponse | Denial:
        """Answers Settle."""
        if not message.HasField("usage"):
            return invalid_field("usage", "is required; all zero is a settlement of nothing")
        receipt = await self._metering.settle(
            message.hold_id,
            read_usage(message.usage),
            context.caller,
            quality_percent=message.quality_percent
            if message.HasField("quality_percent")
            else None,
        )
        if isinstance(receipt, Denial):
            return receipt
        response = metering_pb2.SettleResponse()
        set_receipt(response.receipt, receipt)
        return response

    async def release(
        self, message: metering_pb2.ReleaseRequest, context: CallContext
    ) -> metering_pb2.ReleaseResponse | Denial:
        """Answers Release."""
        target = _read_target(message)
        if isinstance(target, Denial):
            return target
        receipt = await self._metering.release(target, context.caller)
        if isinstance(receipt, Denial):
            return receipt
        response = metering_pb2.ReleaseResponse()
        set_receipt(response.receipt, receipt)
        return response

    async def extend(
        self, message: metering_pb2.ExtendRequest, context: CallContext
    ) -> metering_pb2.ExtendResponse | Denial:
        """Answers Extend."""
        reader = FieldReader()
        expire_us = None
        if message.HasField("expire_time"):
            expire_us = reader.instant_us("expire_time", message.expire_time)
        wrong = reader.denial()
        if wrong is not None:
            return wrong
        extended = await self._metering.extend(
            message.hold_id,
            output_tokens=message.max_output_tokens,
            expire_us=expire_us,
            caller=context.caller,
        )
        return extended if isinstance(extended, Denial) else extend_response(extended)


def _read_target(message: metering_pb2.ReleaseRequest) -> str | RequestRef | Denial:
    """Returns the hold's id, or the request; one of them, for the two might contradict."""
    if message.hold_id:
        if message.account or message.request_id or message.attempt:
            return invalid_field(
                "hold_id", "give it alone, or account, request_id and attempt in its place"
            )
        return message.hold_id
    account = read_account_ref(message.account, "")
    if isinstance(account, Denial):
        return account
    return RequestRef(account, RequestId(message.request_id), message.attempt or 1)
