"""Which transport a server uses, and why: said by `doctor`, the log and the ready file alike."""

from dataclasses import dataclass
from enum import StrEnum

from fluxrouter_server.transport.envoy_programs import EnvoyPrograms, find_envoy

__all__ = ["Chosen", "TransportKind", "TransportUnavailable", "choose_transport"]


class TransportKind(StrEnum):
    """How calls arrive."""

    AUTO = "auto"  # Envoy where it runs, else grpc.aio
    ENVOY = "envoy"  # the hot services in Envoy, the rest behind it
    GRPC = "grpc"  # grpc.aio alone


class TransportUnavailable(RuntimeError):
    """What was asked for cannot run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice.

    Attributes:
        programs: What to run; None is grpc.aio.
        why: One sentence.
    """

    programs: EnvoyPrograms | None
    why: str

    @property
    def kind(self) -> TransportKind:
        """Its name."""
        return TransportKind.GRPC if self.programs is None else TransportKind.ENVOY


def choose_transport(asked: TransportKind, *, on_unix_socket: bool) -> Chosen:
    """Returns what is used.

    Args:
        asked: What the settings say.
        on_unix_socket: Whether the server listens on one, which processes cannot share.

    Raises:
        TransportUnavailable: Envoy is asked for, and does not run here.
    """
    if asked is TransportKind.GRPC:
        return Chosen(None, "it was asked for")
    programs = "unix sockets are served by grpc.aio only" if on_unix_socket else find_envoy()
    if isinstance(programs, EnvoyPrograms):
        return Chosen(programs, "it runs here, and costs a fraction of grpc.aio")
    if asked is TransportKind.ENVOY:
        raise TransportUnavailable(f"--transport envoy: {programs}; or use --transport grpc")
    return Chosen(None, f"Envoy does not run here: {programs}")
