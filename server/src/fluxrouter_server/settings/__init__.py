"""All settings of a server: `options` has the table, `values` says what makes a value wrong.

A setting is given as a flag (`--store-timeout-ms 200`), else by an environment variable
(`FLUXROUTER_STORE_TIMEOUT_MS=200`), else it has its default. Nothing else is read from the
environment, and nobody else reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxrouter_server.settings.options import OPTIONS, Option
from fluxrouter_server.settings.roles import Role
from fluxrouter_server.settings.values import Address, Durability
from fluxrouter_server.store.embedded_config import AppendFsync
from fluxrouter_server.store.locations import StoreLocation
from fluxrouter_server.telemetry.logs import LogFormat, LogLevel
from fluxrouter_server.transport.choice import TransportKind

__all__ = [
    "OPTIONS",
    "Address",
    "Durability",
    "Option",
    "Role",
    "Settings",
    "SettingsError",
    "read_settings",
]


class SettingsError(ValueError):
    """A setting is wrong; the message names it, what is wrong, and what would be right."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is told; each attribute is the setting of that name in `OPTIONS`."""

    role: Role
    listen: Address
    transport: TransportKind
    workers: int
    edge: bool
    upstream_credentials: Path | None
    zone: str
    metrics_listen: Address
    data_dir: Path
    store: StoreLocation | None
    store_ca: Path | None
    store_cert: Path | None
    store_key: Path | None
    durability: Durability
    store_replicas: int
    ledger_url: str
    ledger_max_lag_seconds: int
    store_timeout_ms: int
    appendfsync: AppendFsync
    initialize_store: bool
    tls_cert: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    credentials_file: Path | None
    replay_window_seconds: int
    max_hold_life_seconds: int
    late_window_seconds: int
    max_message_bytes: int
    reuse_port: bool
    drain_pause_seconds: float
    drain_grace_seconds: float
    log_format: LogFormat
    log_level: LogLevel
    decision_log: Path | None
    decision_log_text: bool
    simulated_clock: Path | None
    examples: bool
    ready_file: Path | None


def read_settings(given: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """Returns what a server is told.

    Args:
        given: Values of flags by the setting's name, as texts; None where a flag was not given.
        environment: The process's environment.

    Raises:
        SettingsError: a value is wrong, or two contradict each other.
    """
    values = {option.name: _read(option, given, environment) for option in OPTIONS}
    if values["store"] is not None and not values["ledger_url"]:
        values["ledger_max_lag_seconds"] = 0  # no ledger is kept, so none can lag
    settings = Settings(**values)
    _require_consistent(settings)
    return settings


def _read(option: Option, given: Mapping[str, str | None], environment: Mapping[str, str]) -> Any:  # noqa: ANN401 - each option has its own type
    text, where = given.get(option.name), option.flag
    if text is None:
        text, where = environment.get(option.variable), option.variable
    if text is None:
        text = option.default
    try:
        return option.read(text)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def _require_consistent(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("--tls-cert and --tls-key: give both, or neither for plain text")
    if settings.tls_client_ca is not None and settings.tls_cert is None:
        raise SettingsError("--tls-client-ca: mutual TLS needs --tls-cert and --tls-key, too")
    if settings.simulated_clock is not None and not settings.listen.is_loopback:
        raise SettingsError(
            "--simulated-clock: is for demonstrations and tests, and refused on an address that "
            f"others can reach; leave it out, or listen on 127.0.0.1 instead of {settings.listen}"
        )
    _require_consistent_store(settings)
    if settings.edge and settings.transport is TransportKind.GRPC:
        raise SettingsError("--edge: it runs inside of Envoy; leave --transport grpc out")
    if settings.workers > 1 and settings.transport is TransportKind.GRPC:
        raise SettingsError("--workers: grpc.aio is one process; give --transport envoy, too")
    _require_parts(settings)
    if settings.decision_log_text and settings.decision_log is None:
        raise SettingsError("--decision-log-text: there is no log; give --decision-log DIR, too")
    if settings.metrics_listen.path:
        raise SettingsError("--metrics-listen: must be host:port; scrapers know no unix sockets")


def _require_parts(settings: Settings) -> None:
    if settings.role is Role.ALL:
        return
    if settings.store is None:
        raise SettingsError(
            f"--role {settings.role}: an embedded store is one server's alone, which does "
            "everything; leave it out, or give --store"
        )
    if settings.role is Role.LEDGER and not settings.ledger_url:
        raise SettingsError("--role ledger: there is none to keep; give --ledger-url, too")


def _require_consistent_store(settings: Settings) -> None:
    if (settings.store_cert is None) != (settings.store_key is None):
        raise SettingsError("--store-cert and --store-key: give both, or neither")
    is_replicated = settings.durability is Durability.REPLICATED
    if is_replicated and settings.store is None:
        raise SettingsError(
            "--durability replicated: the embedded store has no replicas; give --store, too"
        )
    if is_replicated != (settings.store_replicas > 0):
        raise SettingsError(
            "--durability replicated and --store-replicas: give both, the latter as the number of "
            "replicas that each primary of the store has, or neither"
        )
