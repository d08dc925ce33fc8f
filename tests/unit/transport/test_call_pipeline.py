"""The pipeline with servicers of a few lines, which do what a real one seldom does: fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2

from fluxrouter.v1 import router_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.methods import Access, StreamMethod, UnaryMethod
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.services.callers import Caller, Scope
from fluxrouter_server.services.ports.errors import StoreRefused, StoreUnavailable
from fluxrouter_server.telemetry.call_stats import CallStats
from fluxrouter_server.transport.call_entry import Arrival
from fluxrouter_server.transport.call_pipeline import CallPipeline
from fluxrouter_server.transport.drain import Drain

Answer = router_pb2.RouteResponse | Denial
REQUEST = router_pb2.RouteRequest(model="m").SerializeToString()
ROUTER = Caller(Principal("service/router"), frozenset({Scope.ROUTE}))
DENIED = Denial(Reason.RATE_LIMITED, "slower", retry_after_us=1)


@dataclass
class Door:
    """An authenticator that knows one secret, and remembers what it was shown."""

    shown: list[str | None] = field(default_factory=list)

    async def authenticate(self, secret: str | None) -> Caller | Denial:
        self.shown.append(secret)
        return ROUTER if secret == "secret" else Denial(Reason.CREDENTIAL_INVALID, "who?")


@dataclass
class Bench:
    """A pipeline and what it counted."""

    door: Door = field(default_factory=Door)
    drain: Drain = field(default_factory=Drain)
    stats: dict[str, CallStats] = field(default_factory=dict)

    def pipeline(self, max_message_bytes: int = 1000) -> CallPipeline:
        return CallPipeline(
            authenticator=self.door,
            stats=lambda name: self.stats.setdefault(name, CallStats(name)),
            drain=self.drain,
            max_message_bytes=max_message_bytes,
        )

    async def call(
        self,
        serve: Callable[[router_pb2.RouteRequest, CallContext], Awaitable[Answer]],
        data: bytes = REQUEST,
        *,
        authorization: str | None = "Bearer secret",
        scopes: frozenset[Scope] = frozenset({Scope.ROUTE}),
        request_id: str | None = None,
    ) -> bytes | Failure:
        method = UnaryMethod("pkg.S", "M", router_pb2.RouteRequest, Access(scopes), serve)
        call = self.pipeline().bind_unary(method)
        return await call(data, Arrival(authorization, request_id, time_left_seconds=1.5))

    async def stream(
        self, serve: Callable[[router_pb2.RouteRequest, CallContext], AsyncIterator[Answer]]
    ) -> list[bytes | Failure]:
        access = Access(frozenset({Scope.ROUTE}))
        method = StreamMethod("pkg.S", "M", router_pb2.RouteRequest, access, serve)
        call = self.pipeline().bind_stream(method)
        return [item async for item in call(REQUEST, Arrival("Bearer secret", None, None))]

    @property
    def ended(self) -> dict[Code, int]:
        """Calls by status."""
        return {Code(n): count for n, count in enumerate(self.stats["pkg.S/M"].ended) if count}


async def answer(message: router_pb2.RouteRequest, _: CallContext) -> Answer:
    return router_pb2.RouteResponse(model=message.model)


async def explode(_message: router_pb2.RouteRequest, _: CallContext) -> Answer:
    raise LookupError("the code of the vault")


def code_of(outcome: bytes | Failure) -> Code:
    assert isinstance(outcome, Failure)
    return outcome.code


def reason_of(outcome: bytes | Failure) -> str:
    assert isinstance(outcome, Failure)
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(outcome.status).details[0].Unpack(info)
    return str(info.reason)


async def test_a_call_gets_the_servicers_answer() -> None:
    bench = Bench()
    outcome = await bench.call(answer)
    assert isinstance(outcome, bytes)
    assert router_pb2.RouteResponse.FromString(outcome).model == "m"
    assert bench.ended == {Code.OK: 1}


async def test_the_servicer_learns_who_calls_and_how_long_they_wait() -> None:
    seen: list[CallContext] = []

    async def look(_: router_pb2.RouteRequest, context: CallContext) -> Answer:
        seen.append(context)
        return router_pb2.RouteResponse()

    await Bench().call(look)
    assert seen == [CallContext(ROUTER, time_left_us=1_500_000)]


@pytest.mark.parametrize(
    "header, secret",
    [
        (None, None),
        ("Bearer s3", "s3"),
        ("bearer   s3 ", "s3"),
        ("Basic dXNlcg==", "Basic dXNlcg=="),
        ("", ""),
    ],
)
async def test_the_secret_is_what_follows_bearer(header: str | None, secret: str | None) -> None:
    bench = Bench()
    outcome = await bench.call(answer, authorization=header)
    assert bench.door.shown == [secret]
    assert reason_of(outcome) == "CREDENTIAL_INVALID"


async def test_a_caller_without_the_scope_is_turned_away_before_the_message_is_read() -> None:
    bench = Bench()
    outcome = await bench.call(answer, b"\xff", scopes=frozenset({Scope.CONTROL}))
    assert reason_of(outcome) == "SCOPE_MISSING"
    assert bench.ended == {Code.PERMISSION_DENIED: 1}


async def test_a_message_that_is_none_is_refused() -> None:
    assert reason_of(await Bench().call(answer, b"\xff")) == "INVALID_REQUEST"


async def test_a_message_that_is_too_large_names_its_largest_field() -> None:
    data = router_pb2.RouteRequest(model="m", text="x" * 2000).SerializeToString()
    outcome = await Bench().call(answer, data)
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.INVALID_ARGUMENT
    assert outcome.message.startswith("text: ")


async def test_a_denial_becomes_its_status() -> None:
    async def deny(_message: router_pb2.RouteRequest, _: CallContext) -> Answer:
        return DENIED

    bench = Bench()
    assert reason_of(await bench.call(deny)) == "RATE_LIMITED"
    assert bench.ended == {Code.RESOURCE_EXHAUSTED: 1}


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away", outcome_unknown=True), StoreRefused("evicts")]
)
async def test_a_store_that_fails_is_unavailable(error: Exception) -> None:
    async def fail(_message: router_pb2.RouteRequest, _: CallContext) -> Answer:
        raise error

    assert code_of(await Bench().call(fail)) is Code.UNAVAILABLE


async def test_an_error_that_nobody_foresaw_tells_its_caller_nothing() -> None:
    outcome = await Bench().call(explode)
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.INTERNAL
    assert b"vault" not in outcome.status + outcome.message.encode()


async def test_an_error_that_nobody_foresaw_is_logged_once_under_its_request_id() -> None:
    with structlog.testing.capture_logs() as logged:
        outcome = await Bench().call(explode, request_id="from-the-caller")
    errors = [line for line in logged if line["log_level"] == "error"]
    assert [(line["event"], line["request_id"]) for line in errors] == [
        ("call_failed", "from-the-caller")
    ]
    assert isinstance(outcome, Failure)
    assert b"from-the-caller" in outcome.status


@pytest.mark.parametrize("given", [None, "", "x" * 500, "naïve"])
async def test_a_request_id_that_cannot_be_used_is_replaced(given: str | None) -> None:
    with structlog.testing.capture_logs() as logged:
        await Bench().call(explode, request_id=given)
    (name,) = {line["request_id"] for line in logged}
    assert len(name) == 32


async def test_every_call_is_logged_where_somebody_wants_to_read_that_much() -> None:
    with structlog.testing.capture_logs() as logged:
        await Bench().call(answer, request_id="r")
    (line,) = logged
    assert (line["event"], line["method"]) == ("call_ended", "pkg.S/M")
    assert (line["request_id"], line["code"]) == ("r", "OK")


async def test_a_call_whose_caller_is_gone_is_counted_as_cancelled() -> None:
    bench = Bench()

    async def wait(_message: router_pb2.RouteRequest, _: CallContext) -> Answer:
        await asyncio.Event().wait()
        return DENIED

    task = asyncio.create_task(bench.call(wait))
    await asyncio.sleep(0)
    assert bench.stats["pkg.S/M"].in_flight == 1
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert bench.ended == {Code.CANCELLED: 1}
    assert bench.stats["pkg.S/M"].in_flight == 0


async def test_a_stream_carries_each_answer() -> None:
    async def count(_: router_pb2.RouteRequest, __: CallContext) -> AsyncIterator[Answer]:
        for attempt in (1, 2):
            yield router_pb2.RouteResponse(attempt=attempt)

    bench = Bench()
    items = await bench.stream(count)
    assert [router_pb2.RouteResponse.FromString(bytes(item)).attempt for item in items] == [1, 2]  # type: ignore[arg-type]
    assert bench.ended == {Code.OK: 1}


async def test_a_denial_ends_a_stream() -> None:
    async def deny(_: router_pb2.RouteRequest, __: CallContext) -> AsyncIterator[Answer]:
        yield router_pb2.RouteResponse()
        yield DENIED

    bench = Bench()
    first, last = await bench.stream(deny)
    assert isinstance(first, bytes)
    assert reason_of(last) == "RATE_LIMITED"
    assert bench.ended == {Code.RESOURCE_EXHAUSTED: 1}


async def test_an_error_ends_a_stream_without_telling_what_happened() -> None:
    async def fail(_: router_pb2.RouteRequest, __: CallContext) -> AsyncIterator[Answer]:
        yield router_pb2.RouteResponse()
        raise LookupError("42")

    _, last = await Bench().stream(fail)
    assert code_of(last) is Code.INTERNAL


async def test_a_stream_ends_well_when_the_server_drains() -> None:
    bench = Bench()

    async def go_on(_: router_pb2.RouteRequest, __: CallContext) -> AsyncIterator[Answer]:
        yield router_pb2.RouteResponse()
        asyncio.get_running_loop().call_soon(bench.drain.begin)
        await asyncio.Event().wait()

    assert len(await bench.stream(go_on)) == 1
    assert bench.ended == {Code.OK: 1}
