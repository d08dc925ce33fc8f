"""Structured logs: a constant event and key/values, as JSON or for a terminal, to standard error.

One promise: no secret of ours gets into a log. Nobody logs one on purpose; this is for the
exception whose message repeats what it was given.
"""

import logging
import re
import sys
from enum import StrEnum
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["LogFormat", "LogLevel", "set_up_logs"]

# API keys (`fr-…`) and service credentials (`fs-…`): whose they are may be told, the rest not.
_SECRET: Final = re.compile(r"\b(f[rs]-[a-z0-9.-]{1,63}-)[a-z2-7]{32}(?:-[a-z2-7]*)?")
_BEARER: Final = re.compile(r"(?i)\b(bearer )\S+")


class LogFormat(StrEnum):
    """How a line looks."""

    AUTO = "auto"  # console on a terminal, else json
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least important level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def set_up_logs(log_format: LogFormat, level: LogLevel, *, stream: TextIO | None = None) -> None:
    """Sets up logging for the process, libraries included.

    Args:
        log_format: How a line looks.
        level: The least important level that is logged.
        stream: Where lines go; None is standard error.
    """
    out = sys.stderr if stream is None else stream
    number = getattr(logging, level.upper())
    as_json = log_format is LogFormat.JSON or (log_format is LogFormat.AUTO and not out.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            hide_secrets,
            _renderer(as_json=as_json, colors=out.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(number, logging.WARNING), force=True)


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Cuts secrets out of every text of an event."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _BEARER.sub(r"\1…", _SECRET.sub(r"\1…", value))
    return event


def _renderer(*, as_json: bool, colors: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer()
    # Tracebacks come rendered, so that secrets can be cut out of them.
    return structlog.dev.ConsoleRenderer(colors=colors)


class _Forward(logging.Handler):
    """Brings what libraries log into the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(
            record.levelno,
            "library_log",
            logger=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )
