"""The table of all settings: their names, defaults and meanings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fluxrouter_server.settings.roles import Role
from fluxrouter_server.settings.values import (
    Durability,
    one_of,
    read_address,
    read_data_dir,
    read_ledger,
    read_optional_folder,
    read_optional_path,
    read_seconds,
    read_store,
    read_switch,
    whole_number,
)
from fluxrouter_server.store.embedded_config import AppendFsync
from fluxrouter_server.telemetry.logs import LogFormat, LogLevel
from fluxrouter_server.transport.choice import TransportKind

__all__ = ["OPTIONS", "Option"]

_ENVIRONMENT_PREFIX: Final = "FLUXROUTER_"
_MAX_SPAN_SECONDS: Final = 7 * 24 * 3600
_MAX_REPLICAS: Final = 16
_MAX_WORKERS: Final = 256  # more than any machine has use for


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is given.

    Attributes:
        name: The attribute of `Settings`.
        read: Makes the value of a text; raises ValueError with the remedy.
        default: The text that stands for nothing given.
        help: What it is for.
        metavar: What stands for the value in usage texts; None is a flag that takes none.
    """

    name: str
    read: Callable[[str], Any]
    default: str
    help: str
    metavar: str | None = "TEXT"

    @property
    def flag(self) -> str:
        """The flag of the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{_ENVIRONMENT_PREFIX}{self.name.upper()}"


OPTIONS: Final = (
    Option(
        "role",
        one_of(Role),
        Role.ALL,
        "What this process does, with an external store: `all`, `serve` without bringing entries "
        "into the ledger, or `ledger`, nothing but that.",
        "NAME",
    ),
    Option(
        "listen",
        read_address,
        "127.0.0.1:50051",
        "Where gRPC is served; port 0 takes a free one. Other machines are let in only where "
        "credentials are configured.",
        "HOST:PORT",
    ),
    Option(
        "transport",
        one_of(TransportKind),
        TransportKind.AUTO,
        "How calls arrive: `envoy`, where decisions cost a fraction, `grpc`, which runs anywhere, "
        "or `auto`: envoy where it runs.",
        "NAME",
    ),
    Option(
        "workers",
        whole_number(1, _MAX_WORKERS),
        "1",
        "Envoy processes that share the port; each uses one core. `--transport grpc` has one.",
        "N",
    ),
    Option(
        "edge",
        read_switch,
        "false",
        "Serve the HTTP endpoints of OpenAI and Anthropic clients, too, and call the catalog's "
        "upstreams. It runs inside of Envoy; where Envoy does not run the server says so, and "
        "serves gRPC alone.",
        None,
    ),
    Option(
        "upstream_credentials",
        read_optional_path,
        "",
        "Folder with the credentials of upstreams, such as a mounted Secret: a file each, named as "
        "the catalog's credentialVariable. Read again when they change; before the environment.",
        "DIR",
    ),
    Option(
        "zone",
        str,
        "",
        "Where this server is. It calls those endpoints of an upstream that are in its zone.",
    ),
    Option(
        "metrics_listen",
        read_address,
        "127.0.0.1:9464",
        "Where /metrics, /healthz and /readyz are served.",
        "HOST:PORT",
    ),
    Option(
        "data_dir",
        read_data_dir,
        "~/.local/state/fluxrouter",
        "Holds the embedded store: all counters, accounts and keys. Another directory is another "
        "installation.",
        "DIR",
    ),
    Option(
        "store",
        read_store,
        "",
        "An external Valkey or Redis: valkey://host:6379, valkeys:// for TLS, unix:///path; "
        "valkey+sentinel://host:26379,other:26379/NAME for the primary that Sentinels know; "
        "valkey+cluster://host:6379,other:6379 for a Cluster. "
        "Without it the server runs its own store in the data directory.",
        "URL",
    ),
    Option(
        "store_ca",
        read_optional_path,
        "",
        "CA certificates in PEM that vouch for the external store; default: the system's.",
        "FILE",
    ),
    Option(
        "store_cert",
        read_optional_path,
        "",
        "Certificate chain in PEM that is shown to the external store, where it asks for one.",
        "FILE",
    ),
    Option("store_key", read_optional_path, "", "Its private key in PEM.", "FILE"),
    Option(
        "durability",
        one_of(Durability),
        Durability.PRIMARY,
        "What an answer of the external store stands on: `primary`, or `replicated`, which waits "
        "until all replicas have it. README's table says what each promises.",
        "MODE",
    ),
    Option(
        "store_replicas",
        whole_number(0, _MAX_REPLICAS),
        "0",
        "How many replicas each primary of the external store has; with `--durability replicated` "
        "alone. The store's min-replicas-to-write must be the same number.",
        "N",
    ),
    Option(
        "ledger_url",
        read_ledger,
        "",
        "Where the ledger is kept: sqlite:////path/to/ledger.sqlite3 or postgresql://…, the same "
        "for all servers of a store. Default: a file in the data directory where the store is "
        "embedded; with an external store none is kept, and usage cannot be asked for.",
        "URL",
    ),
    Option(
        "ledger_max_lag_seconds",
        whole_number(0, _MAX_SPAN_SECONDS),
        "300",
        "Nothing is admitted while the ledger has not taken an entry for longer than this: so much "
        "is what a total loss of the store can cost. Settlements go on. 0 is no bound.",
        "N",
    ),
    Option(
        "store_timeout_ms",
        whole_number(10, 10_000),
        "200",
        "How long a decision waits for the store before it is answered UNAVAILABLE.",
        "N",
    ),
    Option(
        "appendfsync",
        one_of(AppendFsync),
        AppendFsync.ALWAYS,
        "When the embedded store syncs to disk: `always` before it answers, or `everysec`, where "
        "a crash of the machine can lose the last second of decisions.",
        "MODE",
    ),
    Option(
        "initialize_store",
        read_switch,
        "false",
        "Take an external store that is empty for a new one. Give it once: an empty store that "
        "was in use has lost its data, and would be a fresh cap for everybody.",
        None,
    ),
    Option("tls_cert", read_optional_path, "", "Certificate chain in PEM; serves TLS.", "FILE"),
    Option("tls_key", read_optional_path, "", "Its private key in PEM.", "FILE"),
    Option(
        "tls_client_ca",
        read_optional_path,
        "",
        "CA certificates in PEM; clients must show a certificate that one of them signed.",
        "FILE",
    ),
    Option(
        "credentials_file",
        read_optional_path,
        "",
        "Service credentials in YAML: a list of name, scopes, and sha256 of the secret or "
        "serviceAccount as namespace/name, whose tokens for the audience fluxrouter are let in.",
        "FILE",
    ),
    Option(
        "replay_window_seconds",
        whole_number(60, _MAX_SPAN_SECONDS),
        "3600",
        "How long an ended request is remembered. The same on all servers of a store.",
        "N",
    ),
    Option(
        "max_hold_life_seconds",
        whole_number(60, _MAX_SPAN_SECONDS),
        "3600",
        "How long a hold may live, extensions included. The same on all servers of a store.",
        "N",
    ),
    Option(
        "late_window_seconds",
        whole_number(60, _MAX_SPAN_SECONDS),
        "3600",
        "How long after its last hold a period takes corrections. The same on all servers.",
        "N",
    ),
    Option(
        "max_message_bytes", whole_number(1024, 2**30), "4194304", "The largest message taken.", "N"
    ),
    Option(
        "reuse_port",
        read_switch,
        "false",
        "Let other processes listen on the same port and share its calls (SO_REUSEPORT).",
        None,
    ),
    Option(
        "drain_pause_seconds",
        read_seconds,
        "0",
        "How long a server that is told to end still takes calls, so that load balancers can "
        "notice that it is not ready, and callers leave with their next answer.",
        "SECONDS",
    ),
    Option(
        "drain_grace_seconds",
        read_seconds,
        "30",
        "How long calls that were admitted may take after that.",
        "SECONDS",
    ),
    Option(
        "log_format",
        one_of(LogFormat),
        LogFormat.AUTO,
        "How a line of the log looks: json, console, or auto: console on a terminal.",
        "FORMAT",
    ),
    Option(
        "log_level",
        one_of(LogLevel),
        LogLevel.INFO,
        "The least important level that is logged: debug, info, warning or error.",
        "LEVEL",
    ),
    Option(
        "decision_log",
        read_optional_folder,
        "",
        "A folder where the choices of `flux-auto` and the grades of their answers are written, as "
        "labels for calibration (`fluxrouter export-labels`). Prompts are in it as numbers, not as "
        "text.",
        "DIR",
    ),
    Option(
        "decision_log_text",
        read_switch,
        "false",
        "Write the text that was judged into the decision log, too.",
        None,
    ),
    Option(
        "simulated_clock",
        read_optional_path,
        "",
        "For demonstrations and tests: a file with the time in microseconds since 1970 UTC, read "
        "at each use. Only a store that was initialised with it takes it.",
        "FILE",
    ),
    Option(
        "examples",
        read_switch,
        "false",
        "Apply the example catalog, plans and accounts where they are missing, and make a key.",
        None,
    ),
    Option(
        "ready_file",
        read_optional_path,
        "",
        "Written once everything listens: a JSON object with the addresses.",
        "FILE",
    ),
)
