"""Health, reflection and the HTTP port: what probes, scrapers and grpcurl rely on."""

import asyncio
from collections.abc import AsyncIterator
from http.client import HTTPConnection

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from prometheus_client.parser import text_string_to_metric_families

from fluxrouter_testing.fleet import Server, running_fleet
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop

SERVICES = ("RouterService", "MeteringService", "CapService", "ControlService")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
Health = health_pb2_grpc.HealthStub


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.address) as opened:
        yield opened


async def status(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return int((await Health(channel).Check(request)).status)  # type: ignore[misc]


def get(address: str, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection(address, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.mark.parametrize("service", ["", *(f"fluxrouter.v1.{name}" for name in SERVICES)])
async def test_the_server_and_each_service_are_serving(
    channel: grpc.aio.Channel, service: str
) -> None:
    assert await status(channel, service) == SERVING


async def test_the_health_of_a_service_that_is_not_here_is_not_found(
    channel: grpc.aio.Channel,
) -> None:
    refusal = await refused(status(channel, "fluxrouter.v1.TeleportService"))
    assert refusal.code is grpc.StatusCode.NOT_FOUND


async def test_a_watch_of_health_begins_with_the_present(channel: grpc.aio.Channel) -> None:
    call = Health(channel).Watch(health_pb2.HealthCheckRequest(), timeout=5)
    assert (await anext(aiter(call))).status == SERVING  # type: ignore[arg-type]
    call.cancel()


async def reflect(
    channel: grpc.aio.Channel, version: str, request: reflection_pb2.ServerReflectionRequest
) -> reflection_pb2.ServerReflectionResponse:
    method = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    call = method(timeout=5)
    await call.write(request)
    await call.done_writing()
    (answer,) = [item async for item in call]
    return answer


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_our_services(channel: grpc.aio.Channel, version: str) -> None:
    answer = await reflect(
        channel, version, reflection_pb2.ServerReflectionRequest(list_services="")
    )
    listed = {service.name for service in answer.list_services_response.service}
    assert {f"fluxrouter.v1.{name}" for name in SERVICES} <= listed
    assert "grpc.health.v1.Health" in listed


@pytest.mark.parametrize("symbol", ["fluxrouter.v1.RouterService", "grpc.health.v1.Health"])
async def test_reflection_describes_a_service_with_all_it_depends_on(
    channel: grpc.aio.Channel, symbol: str
) -> None:
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    answer = await reflect(channel, "v1", request)
    files = {
        file.name: set(file.dependency)
        for file in map(
            descriptor_pb2.FileDescriptorProto.FromString,
            answer.file_descriptor_response.file_descriptor_proto,
        )
    }
    assert set().union(*files.values()) <= set(files)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz?verbose"])
def test_probes_are_answered(server: Server, path: str) -> None:
    assert get(server.metrics_address, path) == (200, "ok\n")


def test_the_http_port_serves_nothing_else(server: Server) -> None:
    assert get(server.metrics_address, "/")[0] == 404
    assert get(server.metrics_address, "/metrics", method="POST")[0] == 405
    assert get(server.metrics_address, "/metrics", method="HEAD") == (200, "")


async def test_a_call_can_be_seen_in_the_metrics(shop: Shop, server: Server) -> None:
    await shop.route()
    _, text = await asyncio.to_thread(get, server.metrics_address, "/metrics")
    counted = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert counted["fluxrouter_calls_total", "OK", "fluxrouter.v1.RouterService/Route"] >= 1
    assert counted["fluxrouter_admissions_total", "express"] >= 1
    assert counted["fluxrouter_store_up",] == 1
    assert not any(shop.account in label for labels in counted for label in labels)


async def test_a_server_without_its_store_is_alive_and_not_ready() -> None:
    with running_fleet(servers=1) as fleet:
        (server,) = fleet.servers
        async with grpc.aio.insecure_channel(server.address) as channel:
            watch = aiter(Health(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30))  # type: ignore[arg-type]
            assert (await anext(watch)).status == SERVING
            fleet.store.kill()
            assert (await anext(watch)).status == NOT_SERVING
            assert await status(channel, "fluxrouter.v1.RouterService") == NOT_SERVING
            code, why = await asyncio.to_thread(get, server.metrics_address, "/readyz")
            assert (code, why) == (503, "the store does not answer\n")
            assert await asyncio.to_thread(get, server.metrics_address, "/healthz") == (200, "ok\n")
            fleet.store.start()
            assert (await anext(watch)).status == SERVING
