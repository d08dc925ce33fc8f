"""The FluxRouter server as the operator uses it: control documents, keys, spending."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Final, Protocol, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from fluxrouter.v1 import cap_pb2, control_pb2
from fluxrouter.v1.cap_pb2_grpc import CapServiceStub
from fluxrouter.v1.control_pb2_grpc import ControlServiceStub
from fluxrouter_operator.clients.channel import Channel
from fluxrouter_operator.clients.errors import ServerRefused, ServerUnreachable
from fluxrouter_operator.decisions.keys import ServerKey, ServerKeyState
from fluxrouter_operator.observed import Kind

__all__ = ["MadeKey", "Server", "ServerClient"]

A = TypeVar("A")

# A server that hangs is noticed by the calls that are made all the time, so those wait least.
_CALL_SECONDS: Final = 5.0
_SPENDS_SECONDS: Final = 10.0
_BULK_SECONDS: Final = 30.0
_PAGE: Final = 1000
_NOT_FOUND: Final = "RESOURCE_NOT_FOUND"
_STATUS_TRAILER: Final = "grpc-status-details-bin"
_KINDS: Final = {
    Kind.PLAN: control_pb2.RESOURCE_KIND_PLAN,
    Kind.ACCOUNT: control_pb2.RESOURCE_KIND_ACCOUNT,
    Kind.CATALOG: control_pb2.RESOURCE_KIND_CATALOG,
}
_KEY_STATES: Final = {
    control_pb2.API_KEY_STATE_ACTIVE: ServerKeyState.ACTIVE,
    control_pb2.API_KEY_STATE_ROTATED: ServerKeyState.ROTATED,
    control_pb2.API_KEY_STATE_REVOKED: ServerKeyState.REVOKED,
}
# None of these says anything about the resource that was asked about; all of them pass.
_PASSING: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    # The server does not know our token, or not yet what it may do.
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    # An older server, in the middle of an upgrade.
    grpc.StatusCode.UNIMPLEMENTED,
}


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was just made; its text is shown this once and kept out of `repr`."""

    key: ServerKey
    text: str = field(repr=False)


class Server(Protocol):
    """What reconciling needs of the server. Every method raises ServerUnreachable."""

    async def apply(
        self, resources: Sequence[control_pb2.Resource]
    ) -> Sequence[control_pb2.AppliedResource]:
        """Applies at most 1,000 resources, all or none.

        Raises:
            ServerRefused: some are wrong; `fields` begin with `resources[<index>]`.
        """
        ...

    async def delete(self, kind: Kind, names: Sequence[str]) -> None:
        """Removes resources; those that are missing are gone already.

        Raises:
            ServerRefused: others need them.
        """
        ...

    async def generations(self, kind: Kind) -> dict[str, int]:
        """Returns the generation of every resource of a kind by name."""
        ...

    async def spends(self, accounts: Sequence[str]) -> cap_pb2.BatchGetSpendResponse:
        """Reads the counters of at most 1,000 accounts."""
        ...

    async def keys(self, account: str) -> Sequence[ServerKey]:
        """Lists all secrets of all keys of an account; none for an account that is missing."""
        ...

    async def create_key(self, account: str, name: str) -> MadeKey:
        """Makes a key.

        Raises:
            ServerRefused: it exists, or the account has too many.
        """
        ...

    async def rotate_key(self, account: str, name: str, grace_seconds: int) -> MadeKey:
        """Makes a new secret for a key.

        Raises:
            ServerRefused: there is no such key.
        """
        ...

    async def revoke_key(self, account: str, name: str) -> None:
        """Ends a key; one that is missing has ended already."""
        ...


class Listener(Protocol):
    """Who is told of each call whether the server answered."""

    def answered(self) -> None:
        """It did, be it with a refusal."""
        ...

    def failed(self, error: ServerUnreachable) -> None:
        """It did not."""
        ...


class ServerClient:
    """The server over gRPC."""

    def __init__(self, channel: Channel, listener: Listener) -> None:
        """Takes the channel, which somebody else closes, and who is told of every call."""
        self._channel = channel
        self._listener = listener

    async def apply(
        self, resources: Sequence[control_pb2.Resource]
    ) -> Sequence[control_pb2.AppliedResource]:
        """See Server."""
        request = control_pb2.ApplyRequest(resources=resources)
        answer: control_pb2.ApplyResponse = await self._control("Apply", request, _BULK_SECONDS)
        return answer.results

    async def delete(self, kind: Kind, names: Sequence[str]) -> None:
        """See Server."""
        request = control_pb2.DeleteRequest(kind=_KINDS[kind], names=names, ignore_missing=True)
        await self._control("Delete", request, _BULK_SECONDS)

    async def generations(self, kind: Kind) -> dict[str, int]:
        """See Server."""
        found: dict[str, int] = {}
        token = ""
        while True:
            request = control_pb2.ListRequest(kind=_KINDS[kind], page_size=_PAGE, page_token=token)
            page: control_pb2.ListResponse = await self._control("List", request)
            for resource in page.resources:
                found.update(_generation(resource))
            token = page.next_page_token
            if not token:
                return found

    async def spends(self, accounts: Sequence[str]) -> cap_pb2.BatchGetSpendResponse:
        """See Server."""
        request = cap_pb2.BatchGetSpendRequest(accounts=accounts)
        return await self._call(
            lambda channel: CapServiceStub(channel).BatchGetSpend, request, _SPENDS_SECONDS
        )

    async def keys(self, account: str) -> Sequence[ServerKey]:
        """See Server."""
        try:
            answer: control_pb2.ListKeysResponse = await self._control(
                "ListKeys", control_pb2.ListKeysRequest(account=account)
            )
        except ServerRefused as refused:
            if refused.reason == _NOT_FOUND:
                return ()
            raise
        return tuple(_server_key(key) for key in answer.keys)

    async def create_key(self, account: str, name: str) -> MadeKey:
        """See Server."""
        answer: control_pb2.CreateKeyResponse = await self._control(
            "CreateKey", control_pb2.CreateKeyRequest(account=account, name=name)
        )
        return MadeKey(_server_key(answer.key), answer.secret)

    async def rotate_key(self, account: str, name: str, grace_seconds: int) -> MadeKey:
        """See Server."""
        answer: control_pb2.RotateKeyResponse = await self._control(
            "RotateKey",
            control_pb2.RotateKeyRequest(account=account, name=name, grace_seconds=grace_seconds),
        )
        return MadeKey(_server_key(answer.key), answer.secret)

    async def revoke_key(self, account: str, name: str) -> None:
        """See Server."""
        try:
            await self._control(
                "RevokeKey", control_pb2.RevokeKeyRequest(account=account, name=name)
            )
        except ServerRefused as refused:
            if refused.reason != _NOT_FOUND:
                raise

    async def _control(self, method: str, request: object, seconds: float = _CALL_SECONDS) -> A:
        return await self._call(
            lambda channel: getattr(ControlServiceStub(channel), method), request, seconds
        )

    async def _call(
        self,
        method: Callable[[grpc.aio.Channel], Callable[..., Awaitable[A]]],
        request: object,
        seconds: float,
    ) -> A:
        try:
            answer = await self._send(method, request, seconds)
        except ServerUnreachable as error:
            self._listener.failed(error)
            raise
        except ServerRefused:
            self._listener.answered()
            raise
        self._listener.answered()
        return answer

    async def _send(
        self,
        method: Callable[[grpc.aio.Channel], Callable[..., Awaitable[A]]],
        request: object,
        seconds: float,
    ) -> A:
        try:
            call = method(await self._channel.current())
            return await call(request, timeout=seconds, metadata=self._channel.metadata())
        except OSError as error:
            raise ServerUnreachable(f"cannot read certificate or token: {error}") from error
        except grpc.aio.AioRpcError as error:
            if error.code() in _PASSING:
                raise ServerUnreachable(f"{error.code().name}: {error.details()}") from error
            raise _refusal(error) from error


def _refusal(error: grpc.aio.AioRpcError) -> ServerRefused:
    """Reads the details of a status; a plain status stands for itself."""
    reason, fields = error.code().name, {}
    for detail in _status_details(error):
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            fields = {item.field: item.description for item in bad.field_violations}
    return ServerRefused(reason, error.details() or "no message", fields)


def _status_details(error: grpc.aio.AioRpcError) -> Sequence[AnyMessage]:
    for name, value in error.trailing_metadata() or ():
        if name == _STATUS_TRAILER and isinstance(value, bytes):
            details: Sequence[AnyMessage] = status_pb2.Status.FromString(value).details
            return details
    return ()


def _generation(resource: control_pb2.Resource) -> dict[str, int]:
    match resource.WhichOneof("resource"):
        case "plan":
            return {resource.plan.metadata.name: resource.plan.status.generation}
        case "catalog":
            return {resource.catalog.metadata.name: resource.catalog.status.generation}
        case "account":
            account = resource.account
            name = f"{account.metadata.namespace}/{account.metadata.name}"
            return {name: account.status.generation}
        case _:
            return {}


def _server_key(key: control_pb2.ApiKey) -> ServerKey:
    return ServerKey(
        name=key.name,
        hash=key.key_hash,
        state=_KEY_STATES[key.state],
        created=key.create_time.ToDatetime(tzinfo=UTC),
    )
