"""The table of methods against the contracts' own descriptors."""

from typing import cast

import pytest
from google.protobuf.descriptor import MethodDescriptor

from fluxrouter.v1 import (
    cap_pb2,
    control_pb2,
    ledger_pb2,
    metering_pb2,
    router_pb2,
    usage_pb2,
)
from fluxrouter_server.api.cap_api import CapApi
from fluxrouter_server.api.control_api import ControlApi
from fluxrouter_server.api.ledger_api import LedgerApi
from fluxrouter_server.api.metering_api import MeteringApi
from fluxrouter_server.api.methods import (
    SERVICES,
    AnyMethod,
    Apis,
    DuplexMethod,
    StreamMethod,
    UnaryMethod,
    method_table,
)
from fluxrouter_server.api.router_api import RouterApi
from fluxrouter_server.api.secrets_api import SecretsApi
from fluxrouter_server.api.usage_api import UsageApi
from fluxrouter_server.domain.ids import AccountUid, KeyHash, KeyName, Principal
from fluxrouter_server.services.adjusting import AdjustingService
from fluxrouter_server.services.callers import LOCAL, Caller, KeyIdentity, Scope
from fluxrouter_server.services.cap_service import CapService
from fluxrouter_server.services.control_service import ControlService
from fluxrouter_server.services.counter_rebuild import CounterRebuild
from fluxrouter_server.services.key_service import KeyService
from fluxrouter_server.services.metering_service import MeteringService
from fluxrouter_server.services.ports.holds import StoreClock
from fluxrouter_server.services.retention import Retention
from fluxrouter_server.services.routing_service import RouteService
from fluxrouter_server.services.service_credentials import ServiceCredentials
from fluxrouter_server.services.usage_service import UsageService

PACKAGE = (router_pb2, metering_pb2, cap_pb2, control_pb2, usage_pb2, ledger_pb2)
KEY = Caller(
    Principal("key/u/k"),
    scopes=frozenset(),
    key=KeyIdentity(AccountUid("u"), KeyHash("h"), KeyName("k")),
)


def table() -> dict[str, AnyMethod]:
    """The table by full name. Nothing is called, so there is nothing behind the servicers."""
    apis = Apis(
        router=RouterApi(cast("RouteService", None)),
        metering=MeteringApi(cast("MeteringService", None)),
        cap=CapApi(cast("CapService", None), cast("StoreClock", None)),
        control=ControlApi(cast("ControlService", None)),
        secrets=SecretsApi(cast("KeyService", None), cast("ServiceCredentials", None)),
        usage=UsageApi(cast("UsageService", None)),
        ledger=LedgerApi(
            cast("AdjustingService", None), cast("CounterRebuild", None), cast("Retention", None)
        ),
    )
    return {f"{method.service}.{method.name}": method for method in method_table(apis)}


def contract() -> dict[str, MethodDescriptor]:
    return {
        method.full_name: method
        for module in PACKAGE
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


KINDS = {
    (False, False): UnaryMethod,
    (False, True): StreamMethod,
    (True, True): DuplexMethod,
}


def who_may(method: AnyMethod) -> set[str]:
    """Scopes that suffice alone, and `key` where an API key does."""
    scopes = {
        scope
        for scope in Scope
        if method.access.allows(Caller(Principal("service/s"), frozenset({scope})))
    }
    return {*scopes, *({"key"} if method.access.allows(KEY) else set())}


def test_every_method_of_every_contract_is_in_the_table_once() -> None:
    assert table().keys() == contract().keys()
    assert {name.rpartition(".")[0] for name in contract()} == set(SERVICES)


def test_every_method_reads_the_message_that_its_contract_names() -> None:
    requests = {name: method.request.DESCRIPTOR.full_name for name, method in table().items()}
    assert requests == {name: method.input_type.full_name for name, method in contract().items()}


def test_every_method_streams_where_its_contract_does() -> None:
    kinds = {name: type(method) for name, method in table().items()}
    assert kinds == {
        name: KINDS[method.client_streaming, method.server_streaming]
        for name, method in contract().items()
    }


@pytest.mark.parametrize(
    "method, expected",
    [
        ("RouterService.Route", {"route", "key"}),
        ("RouterService.RouteBatch", {"route", "key"}),
        ("RouterService.RouteStream", {"route", "key"}),
        ("RouterService.ListModels", {"route", "key"}),
        ("MeteringService.Settle", {"route", "meter", "key"}),
        ("MeteringService.SettleBatch", {"route", "meter", "key"}),
        ("MeteringService.SettleStream", {"route", "meter", "key"}),
        ("MeteringService.Release", {"route", "meter", "key"}),
        ("MeteringService.Extend", {"route", "meter", "key"}),
        ("CapService.CheckCap", {"route", "read", "key"}),
        ("CapService.GetSpend", {"read", "key"}),
        ("CapService.WatchSpend", {"read", "key"}),
        ("ControlService.Get", {"read", "control"}),
        ("ControlService.List", {"read", "control"}),
        ("ControlService.ListKeys", {"read", "control"}),
    ],
)
def test_a_method_lets_in_whom_its_contract_names(method: str, expected: set[str]) -> None:
    assert who_may(table()[f"fluxrouter.v1.{method}"]) == expected


def test_whatever_changes_something_for_others_needs_control_alone() -> None:
    reading = {"Get", "List", "ListKeys"}
    changing = [
        method
        for method in table().values()
        if method.service.endswith("ControlService") and method.name not in reading
    ]
    assert [who_may(method) for method in changing] == [{"control"}] * len(changing)


def test_a_local_caller_may_call_everything() -> None:
    assert all(method.access.allows(LOCAL) for method in table().values())
