"""A connection to a FluxRouter server, and its refusals turned into messages for people."""

import ipaddress
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

import click
import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from fluxrouter.v1.cap_pb2_grpc import CapServiceStub
from fluxrouter.v1.control_pb2_grpc import ControlServiceStub
from fluxrouter.v1.ledger_pb2_grpc import LedgerServiceStub
from fluxrouter.v1.metering_pb2_grpc import MeteringServiceStub
from fluxrouter.v1.router_pb2_grpc import RouterServiceStub
from fluxrouter.v1.usage_pb2_grpc import UsageServiceStub
from fluxrouter_server.cli.exits import Exit

Request = TypeVar("Request")
Response = TypeVar("Response")

#: Statuses that are an answer ("no") rather than a failure.
_DENIALS = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.FAILED_PRECONDITION}


class CallRefused(click.ClickException):
    """The server refused a call; shows reason, message and figures, each on its own line."""

    def __init__(self, error: grpc.RpcError, *, as_json: bool) -> None:
        """Reads the status details of the call."""
        super().__init__(error.details() or "no message")
        self.code: grpc.StatusCode = error.code()
        self.reason, self.facts, self.fields = _details(error)
        self._as_json = as_json

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click reads it once, from the instance
        """What the process ends with: a no and an outage differ from a failure."""
        if self.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            return Exit.UNAVAILABLE
        return Exit.DENIED if self.code in _DENIALS else Exit.FAILED

    def format_message(self) -> str:
        """Returns the refusal for people, or as one JSON object."""
        if self._as_json:
            return json.dumps(
                {
                    "code": self.code.name,
                    "reason": self.reason,
                    "message": self.message,
                    "metadata": self.facts,
                    "fields": dict(self.fields),
                }
            )
        lines = [f"{self.reason or self.code.name}: {self.message}"]
        lines += [f"  {name}: {text}" for name, text in self.fields]
        lines += [f"  {name}: {value}" for name, value in sorted(self.facts.items())]
        return "\n".join(lines)


def _details(error: grpc.RpcError) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    """Returns reason, metadata and field violations of a status; empty where it has none."""
    reason, facts, fields = "", {}, []
    status = rpc_status.from_call(cast("grpc.Call", error))
    for detail in status.details if status is not None else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, facts = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields = [(item.field, item.description) for item in bad.field_violations]
    return reason, facts, fields


@dataclass(frozen=True)
class Session:
    """How to reach a server, from the options that every command shares.

    Attributes:
        server: `host:port`.
        credential: API key or service credential; empty sends none.
        ca_file: CA certificates in PEM; None talks plain text.
        certificate_file: client certificate in PEM, for mutual TLS, with `key_file`.
        key_file: the certificate's private key in PEM.
        timeout_seconds: deadline of each unary call.
        as_json: whether refusals are shown as JSON.
    """

    server: str
    credential: str
    ca_file: Path | None
    certificate_file: Path | None
    key_file: Path | None
    timeout_seconds: float
    as_json: bool = False

    @cached_property
    def channel(self) -> grpc.Channel:
        """The channel; a credential is never sent over plain text to another machine.

        Raises:
            click.UsageError: a credential, another machine and no TLS.
        """
        if self.ca_file is None:
            if self.credential and not _is_loopback(self.server):
                raise click.UsageError(
                    f"--credential would travel to {self.server} in plain text: give --tls-ca FILE"
                )
            return grpc.insecure_channel(self.server)
        return grpc.secure_channel(
            self.server,
            grpc.ssl_channel_credentials(
                root_certificates=self.ca_file.read_bytes(),
                private_key=self.key_file.read_bytes() if self.key_file else None,
                certificate_chain=(
                    self.certificate_file.read_bytes() if self.certificate_file else None
                ),
            ),
        )

    @property
    def router(self) -> RouterServiceStub:
        """RouterService."""
        return RouterServiceStub(self.channel)

    @property
    def metering(self) -> MeteringServiceStub:
        """MeteringService."""
        return MeteringServiceStub(self.channel)

    @property
    def caps(self) -> CapServiceStub:
        """CapService."""
        return CapServiceStub(self.channel)

    @property
    def control(self) -> ControlServiceStub:
        """ControlService."""
        return ControlServiceStub(self.channel)

    @property
    def usage(self) -> UsageServiceStub:
        """UsageService."""
        return UsageServiceStub(self.channel)

    @property
    def ledger(self) -> LedgerServiceStub:
        """LedgerService."""
        return LedgerServiceStub(self.channel)

    def call(self, method: Callable[..., Response], request: object) -> Response:
        """Calls a unary method with the session's deadline and credential.

        Raises:
            CallRefused: the server answered another status than OK, or did not answer.
        """
        with self._refusals():
            return method(request, timeout=self.timeout_seconds, metadata=self._metadata())

    def stream(
        self, method: Callable[..., Iterator[Response]], request: object
    ) -> Iterator[Response]:
        """Calls a server-streaming method without a deadline; ends with the server's stream.

        Raises:
            CallRefused: as `call`.
        """
        with self._refusals():
            yield from method(request, metadata=self._metadata())

    def _metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.credential}")] if self.credential else []

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise CallRefused(error, as_json=self.as_json) from error


def _is_loopback(server: str) -> bool:
    """Tells whether `host:port` (or `unix:…`) stays on this machine."""
    if server.startswith("unix:"):
        return True
    host = server.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
