"""ControlService's resources: applies, reads and removes plans, accounts and the catalog."""

from fluxrouter.v1 import control_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.wire_control import (
    applied_message,
    read_documents,
    read_kind,
    read_names,
    resource_message,
)
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.control_service import ControlService

__all__ = ["ControlApi"]


class ControlApi:
    """Apply, Get, List and Delete of `fluxrouter.v1.ControlService`, knowing no transport.

    Args:
        control: What stores and reads.
    """

    def __init__(self, control: ControlService) -> None:
        self._control = control

    async def apply(
        self, message: control_pb2.ApplyRequest, _: CallContext
    ) -> control_pb2.ApplyResponse | Denial:
        """Answers Apply."""
        documents = read_documents(message.resources)
        if isinstance(documents, Denial):
            return documents
        results = await self._control.apply(documents, validate_only=message.validate_only)
        if isinstance(results, Denial):
            return results
        return control_pb2.ApplyResponse(results=[applied_message(item) for item in results])

    async def get(
        self, message: control_pb2.GetRequest, _: CallContext
    ) -> control_pb2.GetResponse | Denial:
        """Answers Get."""
        kind = read_kind(message.kind)
        if isinstance(kind, Denial):
            return kind
        names = read_names(kind, message.names)
        if isinstance(names, Denial):
            return names
        records = await self._control.get(kind, names)
        if isinstance(records, Denial):
            return records
        return control_pb2.GetResponse(resources=[resource_message(record) for record in records])

    async def list_resources(
        self, message: control_pb2.ListRequest, _: CallContext
    ) -> control_pb2.ListResponse | Denial:
        """Answers List."""
        kind = read_kind(message.kind)
        if isinstance(kind, Denial):
            return kind
        page = await self._control.list_page(
            kind,
            namespace=message.namespace,
            page_size=message.page_size,
            page_token=message.page_token,
        )
        if isinstance(page, Denial):
            return page
        return control_pb2.ListResponse(
            resources=[resource_message(record) for record in page.records],
            next_page_token=page.next_token,
        )

    async def delete(
        self, message: control_pb2.DeleteRequest, _: CallContext
    ) -> control_pb2.DeleteResponse | Denial:
        """Answers Delete."""
        kind = read_kind(message.kind)
        if isinstance(kind, Denial):
            return kind
        names = read_names(kind, message.names)
        if isinstance(names, Denial):
            return names
        deleted = await self._control.delete(kind, names, ignore_missing=message.ignore_missing)
        return (
            deleted if isinstance(deleted, Denial) else control_pb2.DeleteResponse(deleted=deleted)
        )
