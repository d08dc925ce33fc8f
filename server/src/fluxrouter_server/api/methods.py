"""The table of all methods: what any transport needs to carry them, and who may call them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

from fluxrouter.v1 import (
    cap_pb2,
    control_pb2,
    ledger_pb2,
    metering_pb2,
    router_pb2,
    usage_pb2,
)
from fluxrouter_server.api.batches import MeteringBatches, RouterBatches
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.cap_api import CapApi
from fluxrouter_server.api.control_api import ControlApi
from fluxrouter_server.api.ledger_api import LedgerApi
from fluxrouter_server.api.metering_api import MeteringApi
from fluxrouter_server.api.router_api import RouterApi
from fluxrouter_server.api.secrets_api import SecretsApi
from fluxrouter_server.api.usage_api import UsageApi
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.callers import Caller, Scope

__all__ = [
    "HOT_SERVICES",
    "SERVICES",
    "Access",
    "AnyMethod",
    "Apis",
    "DuplexMethod",
    "StreamMethod",
    "UnaryMethod",
    "method_table",
]

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

#: Full names of the services in the table.
SERVICES: Final = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (router_pb2, "RouterService"),
        (metering_pb2, "MeteringService"),
        (cap_pb2, "CapService"),
        (control_pb2, "ControlService"),
        (usage_pb2, "UsageService"),
        (ledger_pb2, "LedgerService"),
    )
)
_ROUTER, _METERING, _CAP, _CONTROL, _USAGE, _LEDGER = SERVICES
#: Those that are called for each request of an account's, so that their cost counts.
HOT_SERVICES: Final = (_ROUTER, _METERING, _CAP)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a method: a credential with any of the scopes, and perhaps API keys."""

    scopes: frozenset[Scope]
    by_key: bool = False

    def allows(self, caller: Caller) -> bool:
        """Whether this caller may; what it may ask about is for the use case to say."""
        return (self.by_key and caller.key is not None) or not self.scopes.isdisjoint(caller.scopes)


@dataclass(frozen=True, slots=True)
class UnaryMethod(Generic[Q, A]):
    """One message in, one message out.

    Attributes:
        service: Full name of its service.
        name: Its name there.
        request: Type of the message in.
        access: Who may call it.
        serve: The servicer: the answer, or why not.
    """

    service: str
    name: str
    request: type[Q]
    access: Access
    serve: Callable[[Q, CallContext], Awaitable[A | Denial]]


@dataclass(frozen=True, slots=True)
class StreamMethod(Generic[Q, A]):
    """One message in, a stream out; a Denial is its last item. Attributes as of UnaryMethod."""

    service: str
    name: str
    request: type[Q]
    access: Access
    serve: Callable[[Q, CallContext], AsyncIterator[A | Denial]]


@dataclass(frozen=True, slots=True)
class DuplexMethod(Generic[Q, A]):
    """Streams both ways; each message is served by itself. Attributes as of UnaryMethod."""

    service: str
    name: str
    request: type[Q]
    access: Access
    serve: Callable[[Q, CallContext], Awaitable[A | Denial]]


# Each binds its own pair of messages, which a table of them all cannot say.
AnyMethod: TypeAlias = UnaryMethod[Any, Any] | StreamMethod[Any, Any] | DuplexMethod[Any, Any]


@dataclass(frozen=True, slots=True)
class Apis:
    """The servicers."""

    router: RouterApi
    metering: MeteringApi
    cap: CapApi
    control: ControlApi
    secrets: SecretsApi
    usage: UsageApi
    ledger: LedgerApi


_ROUTE: Final = Access(frozenset({Scope.ROUTE}), by_key=True)
# Whoever may make a hold may end it; whether this one is the caller's, the store tells.
_METER: Final = Access(frozenset({Scope.ROUTE, Scope.METER}), by_key=True)
_READ: Final = Access(frozenset({Scope.READ}), by_key=True)
_CHECK: Final = Access(frozenset({Scope.READ, Scope.ROUTE}), by_key=True)
# Many accounts at once are no API key's business, which has one.
_READ_MANY: Final = Access(frozenset({Scope.READ}))
_CHANGE: Final = Access(frozenset({Scope.CONTROL}))
_LOOK: Final = Access(frozenset({Scope.CONTROL, Scope.READ}))


def method_table(apis: Apis) -> tuple[AnyMethod, ...]:
    """Returns every method of every service."""
    return (
        *_hot_methods(apis),
        *_batch_methods(apis),
        *_control_methods(apis),
        *_usage_methods(apis.usage),
        *_ledger_methods(apis.ledger),
    )


def _hot_methods(apis: Apis) -> tuple[AnyMethod, ...]:
    router, metering, cap = apis.router, apis.metering, apis.cap
    return (
        UnaryMethod(_ROUTER, "Route", router_pb2.RouteRequest, _ROUTE, router.route),
        UnaryMethod(
            _ROUTER, "ListModels", router_pb2.ListModelsRequest, _ROUTE, router.list_models
        ),
        UnaryMethod(_METERING, "Settle", metering_pb2.SettleRequest, _METER, metering.settle),
        UnaryMethod(_METERING, "Release", metering_pb2.ReleaseRequest, _METER, metering.release),
        UnaryMethod(_METERING, "Extend", metering_pb2.ExtendRequest, _METER, metering.extend),
        UnaryMethod(_CAP, "CheckCap", cap_pb2.CheckCapRequest, _CHECK, cap.check_cap),
        UnaryMethod(_CAP, "GetSpend", cap_pb2.GetSpendRequest, _READ, cap.get_spend),
        UnaryMethod(
            _CAP, "BatchGetSpend", cap_pb2.BatchGetSpendRequest, _READ_MANY, cap.batch_get_spend
        ),
        StreamMethod(_CAP, "WatchSpend", cap_pb2.WatchSpendRequest, _READ, cap.watch_spend),
    )


def _batch_methods(apis: Apis) -> tuple[AnyMethod, ...]:
    route, settle = RouterBatches(apis.router), MeteringBatches(apis.metering)
    return (
        UnaryMethod(_ROUTER, "RouteBatch", router_pb2.RouteBatchRequest, _ROUTE, route.route_batch),
        DuplexMethod(
            _ROUTER, "RouteStream", router_pb2.RouteStreamRequest, _ROUTE, route.route_stream
        ),
        UnaryMethod(
            _METERING, "SettleBatch", metering_pb2.SettleBatchRequest, _METER, settle.settle_batch
        ),
        DuplexMethod(
            _METERING,
            "SettleStream",
            metering_pb2.SettleStreamRequest,
            _METER,
            settle.settle_stream,
        ),
    )


def _control_methods(apis: Apis) -> tuple[AnyMethod, ...]:
    pb2, control, secrets = control_pb2, apis.control, apis.secrets
    served: tuple[tuple[str, type[Message], Access, Callable[..., Any]], ...] = (
        ("Apply", pb2.ApplyRequest, _CHANGE, control.apply),
        ("Get", pb2.GetRequest, _LOOK, control.get),
        ("List", pb2.ListRequest, _LOOK, control.list_resources),
        ("Delete", pb2.DeleteRequest, _CHANGE, control.delete),
        ("CreateKey", pb2.CreateKeyRequest, _CHANGE, secrets.create_key),
        ("ListKeys", pb2.ListKeysRequest, _LOOK, secrets.list_keys),
        ("RotateKey", pb2.RotateKeyRequest, _CHANGE, secrets.rotate_key),
        ("RevokeKey", pb2.RevokeKeyRequest, _CHANGE, secrets.revoke_key),
        (
            "CreateServiceCredential",
            pb2.CreateServiceCredentialRequest,
            _CHANGE,
            secrets.create_credential,
        ),
        (
            "ListServiceCredentials",
            pb2.ListServiceCredentialsRequest,
            _CHANGE,
            secrets.list_credentials,
        ),
        (
            "RevokeServiceCredential",
            pb2.RevokeServiceCredentialRequest,
            _CHANGE,
            secrets.revoke_credential,
        ),
    )
    return tuple(
        UnaryMethod(_CONTROL, name, request, access, serve)
        for name, request, access, serve in served
    )


def _usage_methods(usage: UsageApi) -> tuple[AnyMethod, ...]:
    pb2 = usage_pb2
    return (
        UnaryMethod(_USAGE, "GetUsage", pb2.GetUsageRequest, _READ, usage.get_usage),
        UnaryMethod(_USAGE, "ListLedger", pb2.ListLedgerRequest, _READ, usage.list_ledger),
        StreamMethod(_USAGE, "ExportLedger", pb2.ExportLedgerRequest, _READ, usage.export_ledger),
        StreamMethod(_USAGE, "CheckLedger", pb2.CheckLedgerRequest, _READ_MANY, usage.check_ledger),
    )


def _ledger_methods(ledger: LedgerApi) -> tuple[AnyMethod, ...]:
    pb2 = ledger_pb2
    return (
        UnaryMethod(
            _LEDGER, "CorrectUsage", pb2.CorrectUsageRequest, _CHANGE, ledger.correct_usage
        ),
        UnaryMethod(
            _LEDGER, "CreditInvoice", pb2.CreditInvoiceRequest, _CHANGE, ledger.credit_invoice
        ),
        UnaryMethod(_LEDGER, "PruneLedger", pb2.PruneLedgerRequest, _CHANGE, ledger.prune_ledger),
        UnaryMethod(_LEDGER, "ForgetLabel", pb2.ForgetLabelRequest, _CHANGE, ledger.forget_label),
        StreamMethod(
            _LEDGER, "RebuildCounters", pb2.RebuildCountersRequest, _CHANGE, ledger.rebuild_counters
        ),
    )
