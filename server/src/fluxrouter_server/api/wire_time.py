"""Instants of the domain as timestamps of the wire and as RFC 3339."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["rfc3339", "set_timestamp", "timestamp"]

_MICROSECONDS = 10**6
_NANOS_PER_MICROSECOND = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(instant_us: int) -> Timestamp:
    """Returns an instant (µs since 1970 UTC) as the wire has it."""
    seconds, microseconds = divmod(instant_us, _MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=microseconds * _NANOS_PER_MICROSECOND)


def set_timestamp(message: Timestamp, instant_us: int) -> None:
    """Writes an instant (µs since 1970 UTC) into a message that is part of another."""
    seconds, microseconds = divmod(instant_us, _MICROSECONDS)
    message.seconds = seconds
    message.nanos = microseconds * _NANOS_PER_MICROSECOND


def rfc3339(instant_us: int) -> str:
    """Returns an instant (µs since 1970 UTC) as text, such as `2026-12-01T00:00:00Z`."""
    text = (_EPOCH + timedelta(microseconds=instant_us)).isoformat()
    return text.removesuffix("+00:00") + "Z"
