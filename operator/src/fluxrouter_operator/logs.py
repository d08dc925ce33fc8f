"""Structured logs: a constant event and key/values, as JSON to standard error.

No key's text ever reaches a logger; what is cut out here is what an exception might repeat.
"""

import logging
import re
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

__all__ = ["set_up_logs"]

# API keys and service credentials: whose they are may be told, the rest not; and bearer tokens.
_SECRET: Final = re.compile(r"\b(f[rs]-[a-z0-9.-]{1,63}-)[a-z2-7]{32}(?:-[a-z2-7]*)?")
_BEARER: Final = re.compile(r"(?i)\b(bearer )\S+")


def set_up_logs(level: str) -> None:
    """Sets up logging for the process; of libraries only what is a warning at least."""
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(number, logging.WARNING), force=True)


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Cuts secrets out of every text of an event."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _BEARER.sub(r"\1…", _SECRET.sub(r"\1…", value))
    return event


class _Forward(logging.Handler):
    """Hands what libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library",
            logger=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )
