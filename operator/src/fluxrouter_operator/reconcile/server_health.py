"""Whether the server answers: a short silence is no news, a long one is said of everything."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from fluxrouter_operator.clients.errors import ServerUnreachable
from fluxrouter_operator.decisions.conditions import Silence

__all__ = ["ServerHealth"]

_log = structlog.get_logger()


class ServerHealth:
    """What the latest calls have shown.

    Args:
        now: the clock.
        grace: how long a silence is waited out before it is said.
    """

    def __init__(self, now: Callable[[], datetime], grace: timedelta) -> None:
        self._now = now
        self._grace = grace
        self._silence: Silence | None = None
        self._is_said = False
        self._on_recovery: Callable[[bool], None] = lambda _: None

    def on_recovery(self, call: Callable[[bool], None]) -> None:
        """Sets what is called when a silence ends, with whether it had been said."""
        self._on_recovery = call

    @property
    def is_silent(self) -> bool:
        """Whether the latest call was not answered."""
        return self._silence is not None

    @property
    def said(self) -> Silence | None:
        """The silence, once it is worth saying."""
        return self._silence if self._is_said else None

    def answered(self) -> None:
        """Notes an answer, be it a refusal."""
        if self._silence is None:
            return
        _log.info("server_answers_again", silent_since=self._silence.since.isoformat())
        was_said, self._silence, self._is_said = self._is_said, None, False
        self._on_recovery(was_said)

    def failed(self, error: ServerUnreachable) -> None:
        """Notes a call without an answer."""
        if self._silence is None:
            self._silence = Silence(self._now(), str(error))
            _log.warning("server_unreachable", error=str(error))

    def is_to_be_said(self) -> bool:
        """Whether a silence has just become long enough; true once for each."""
        silence = self._silence
        if silence is None or self._is_said or self._now() - silence.since < self._grace:
            return False
        self._is_said = True
        return True
