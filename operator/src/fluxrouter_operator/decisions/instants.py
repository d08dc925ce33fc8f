"""Instants between Python, the contracts and a cluster, whose conditions know whole seconds."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(instant: datetime) -> Timestamp:
    """Return an instant in whole seconds, as Kubernetes writes it."""
    return Timestamp(seconds=int(instant.timestamp()))


def parse_instant(text: str) -> datetime | None:
    """Read an instant of a status; None where it is none, as somebody may have edited it."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
