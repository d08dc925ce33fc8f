"""Keeps one connection to the store alive, and knows when there is none to be had.

One task does it all, so that nothing races: it connects, greets (is the store suitable? does it
know the scripts?), then watches. It reconnects with a jittered pause, pings a store that has been
silent, and is the only one that probes while the circuit breaker is open: no caller's request is
spent on finding out whether the store is back.
"""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

import structlog

from fluxrouter_server.store.addresses import Place, StoreAddress
from fluxrouter_server.store.breaker import CircuitBreaker
from fluxrouter_server.store.connection import (
    MAX_PENDING,
    MAX_UNSENT_BYTES,
    StoreConnection,
    open_connection,
)
from fluxrouter_server.store.errors import CommandNotSent, StoreError, StoreUnavailable
from fluxrouter_server.store.replies import ErrorReply, classify

__all__ = ["Connect", "ConnectionKeeper", "Greeting", "KeeperSettings"]

_log = structlog.get_logger(__name__)

Greeting = Callable[[StoreConnection], Awaitable[None]]
"""Runs on every new connection before it is used; raises `StoreError` to have it refused."""


class Connect(Protocol):
    """Makes a connection, as `open_connection` does."""

    async def __call__(
        self,
        address: StoreAddress,
        *,
        tls: ssl.SSLContext | None = ...,
        on_lost: Callable[[], None] | None = ...,
        max_pending: int = ...,
        max_unsent_bytes: int = ...,
    ) -> StoreConnection:
        """Connect and authenticate."""
        ...


_LOG_AGAIN_SECONDS: Final = 30.0
"""An outage that goes on with the same words is logged this seldom."""


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """How patient and how eager the keeper is; all in seconds.

    Attributes:
        connect_timeout_seconds: Bound on connecting and greeting together. The first retransmission
            of TCP comes after one second, so a shorter bound gains nothing.
        probe_timeout_seconds: A ping without an answer for this long ends the connection.
        heartbeat_seconds: A store that sent nothing for this long is pinged.
        shortest_pause_seconds: The pause after the first failed attempt; it doubles,
        longest_pause_seconds: up to this, which keeps recovery within about a second.
        max_pending: See `StoreConnection`,
        max_unsent_bytes: as for this.
    """

    connect_timeout_seconds: float = 1.0
    probe_timeout_seconds: float = 1.0
    heartbeat_seconds: float = 1.0
    shortest_pause_seconds: float = 0.02
    longest_pause_seconds: float = 0.4
    max_pending: int = MAX_PENDING
    max_unsent_bytes: int = MAX_UNSENT_BYTES


class ConnectionKeeper:
    """Owns the connection to one store.

    Args:
        place: Where the store is to be found.
        greeting: See `Greeting`.
        breaker: Closed by a successful greeting or probe, fed with their failures.
        settings: Patience and bounds.
        tls: See `open_connection`.
        connect: Makes a connection; another than `open_connection` for another kind of connection.

    Attributes:
        current: The connection to use now, or None.
        last_error: Why the last attempt to connect failed; None once one succeeds.
    """

    def __init__(
        self,
        place: Place,
        *,
        greeting: Greeting,
        breaker: CircuitBreaker,
        settings: KeeperSettings,
        tls: ssl.SSLContext | None = None,
        connect: Connect = open_connection,
    ) -> None:
        self._place = place
        self._connect = connect
        self._found: StoreAddress | None = None
        self._greeting = greeting
        self._breaker = breaker
        self._settings = settings
        self._tls = tls
        self._attention = asyncio.Event()
        self._attempted = asyncio.Event()
        self._logged: tuple[str, float] = ("", 0.0)
        self.current: StoreConnection | None = None
        self.last_error: StoreError | None = None

    async def run(self) -> NoReturn:
        """Connects, watches, reconnects, until it is cancelled."""
        try:
            while True:
                connection = await self._establish()
                self.current = connection
                await self._watch(connection)
                self._drop()
        finally:
            self._drop()

    def look_now(self) -> None:
        """Wakes the keeper: the breaker has opened."""
        self._attention.set()

    def distrust(self) -> None:
        """Ends the connection: the store has changed its role, so it must be greeted again."""
        self._drop()

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Waits for the first connection.

        Raises:
            StoreRefused: The store answers but must not be used, or does not let us in.
            CommandRefused: The store's user may not do what the server must do.
            ScriptInvalid: The store's compiler refused a script.
            CommandNotSent: No usable store within the time; names the last attempt's error.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.current is None:
                    self._attempted.clear()
                    await self._attempted.wait()
                    if self.last_error and not isinstance(self.last_error, StoreUnavailable):
                        raise self.last_error  # waiting will not help
        except TimeoutError:
            raise CommandNotSent(
                f"store {self._place}: not usable within {timeout_seconds:g} s: "
                f"{self.last_error or 'no answer'}"
            ) from None

    async def _establish(self) -> StoreConnection:
        pause = self._settings.shortest_pause_seconds
        while True:
            connection = await self._attempt()
            if connection is not None:
                return connection
            # Half of it random: replicas that lost the store together do not come back together.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(2 * pause, self._settings.longest_pause_seconds)

    async def _attempt(self) -> StoreConnection | None:
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                connection = await self._connect_and_greet()
        except (StoreError, ErrorReply, OSError, TimeoutError) as error:
            self.last_error = self._name(error)
            self._breaker.record_failure(now())
            self._log_unreachable(self.last_error, now())
            return None
        finally:
            self._attempted.set()
        self.last_error = None
        self._breaker.record_success()
        self._logged = ("", 0.0)
        _log.info("store_connected", address=str(self._place))
        return connection

    async def _connect_and_greet(self) -> StoreConnection:
        self._found = await self._place.find()
        connection = await self._connect(
            self._found,
            tls=self._tls,
            on_lost=self._attention.set,
            max_pending=self._settings.max_pending,
            max_unsent_bytes=self._settings.max_unsent_bytes,
        )
        try:
            await self._greeting(connection)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _watch(self, connection: StoreConnection) -> None:
        """Returns when the connection has ended or is of no use any more."""
        now = asyncio.get_running_loop().time
        while not connection.is_closed:
            self._attention.clear()
            delay = (
                self._settings.heartbeat_seconds
                if self._breaker.is_closed
                else self._breaker.seconds_until_probe(now())
            )
            if await self._is_interrupted(delay):
                continue
            if self._place.may_move and await self._has_moved():
                return
            if self._breaker.is_closed and connection.has_received():
                continue
            if not await self._probe(connection):
                return

    async def _has_moved(self) -> bool:
        """Whether the store is known to be elsewhere now; where nobody knows, it is not."""
        try:
            found = await self._place.find()
        except StoreError:
            return False
        if found != self._found:
            _log.warning("store_moved", address=str(self._place), to=str(found))
        return found != self._found

    async def _is_interrupted(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._attention.wait()
        except TimeoutError:
            return False
        return True

    async def _probe(self, connection: StoreConnection) -> bool:
        now = asyncio.get_running_loop().time
        was_open = self._breaker.begin_probe(now())
        try:
            async with asyncio.timeout(self._settings.probe_timeout_seconds):
                await connection.call(("PING",))
        except (StoreError, ErrorReply, TimeoutError) as error:
            if was_open:
                self._breaker.record_probe_failure(now())
            else:
                self._breaker.record_failure(now())
            _log.warning(
                "store_probe_failed", address=str(self._place), error=str(self._name(error))
            )
            return False
        self._breaker.record_success()
        if was_open:
            _log.info("store_breaker_closed", address=str(self._place))
        return True

    def _drop(self) -> None:
        connection, self.current = self.current, None
        if connection is not None:
            if connection.is_closed:
                _log.warning("store_connection_lost", address=str(self._place))
            connection.abort()

    def _name(self, error: Exception) -> StoreError:
        if isinstance(error, ErrorReply):
            return classify(error)
        if isinstance(error, StoreError):
            return error
        if isinstance(error, TimeoutError):
            return CommandNotSent(f"store {self._place}: no answer in time")
        return CommandNotSent(f"store {self._place}: cannot connect: {error}")

    def _log_unreachable(self, error: StoreError, now: float) -> None:
        text, logged_at = self._logged
        if text == str(error) and now - logged_at < _LOG_AGAIN_SECONDS:
            return
        self._logged = (str(error), now)
        _log.warning("store_unreachable", address=str(self._place), error=str(error))
