"""Writes choices of a tier and grades of their answers as JSON Lines, where an operator asked.

Each process appends to files of its own, one a day (UTC), so nothing is shared or locked, and old
days can be deleted or shipped. What a prompt looks like goes in as numbers; its text only where
that was asked for, too.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from fluxrouter_server.routing.features import FEATURE_VERSION, extract
from fluxrouter_server.routing.rules import TierDecision
from fluxrouter_server.routing.tier_choice import WeighedDecision
from fluxrouter_server.services.ports.decision_log import Choice, Grade

__all__ = ["DecisionLogFiles"]

#: A longer text goes in as features alone: one line must stay one that tools can read.
MAX_TEXT_CHARACTERS: Final = 65_536
_OWNER_ONLY: Final = 0o600
_DENSE_DIGITS: Final = 6

_log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class DecisionLogFiles:
    """Implements `DecisionLog` with files in a folder.

    Args:
        folder: Where; made when there is something to write.
        with_text: Whether the text that was judged is written, too.
        clock: What day and time it is.
    """

    def __init__(
        self, folder: Path, *, with_text: bool, clock: Callable[[], datetime] = _now
    ) -> None:
        self._folder = folder
        self._with_text = with_text
        self._clock = clock
        self._day = ""
        self._file: TextIO | None = None
        self._has_warned = False

    def chose(self, choice: Choice) -> None:
        """Writes a choice."""
        hold = choice.hold
        entry: dict[str, Any] = {
            "kind": "choice",
            "hold_id": hold.id,
            "request_id": hold.request_id,
            "model": hold.model,
            "served_tier": choice.served,
            **_decision(choice.decision),
        }
        if choice.decision.shadow is not None:
            entry["shadow"] = _decision(choice.decision.shadow)
        entry["features"] = _features(choice.text)
        if self._with_text and len(choice.text) <= MAX_TEXT_CHARACTERS:
            entry["text"] = choice.text
        self._write(entry)

    def graded(self, grade: Grade) -> None:
        """Writes a grade."""
        self._write(
            {
                "kind": "grade",
                "hold_id": grade.hold_id,
                "request_id": grade.request_id,
                "quality_percent": grade.quality_percent,
            }
        )

    def close(self) -> None:
        """Closes the file; a later entry would open it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, entry: Mapping[str, Any]) -> None:
        now = self._clock()
        line = json.dumps({"time": now.isoformat(timespec="milliseconds"), **entry})
        try:
            self._file_of(f"{now:%Y%m%d}").write(line + "\n")
        except OSError as error:
            self.close()
            if not self._has_warned:  # once: a full disk must not fill the log as well
                _log.warning("decision_log_lost", folder=str(self._folder), error=str(error))
                self._has_warned = True

    def _file_of(self, day: str) -> TextIO:
        """Returns the file of a day, opened to be read by its owner alone."""
        if self._file is None or day != self._day:
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"decisions-{day}-{os.uname().nodename}-{os.getpid()}.jsonl"
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _OWNER_ONLY)
            # A line is in the file when it is written: who reads it need not wait for the end.
            self._file = os.fdopen(number, "w", buffering=1, encoding="utf-8")
            self._day = day
        return self._file


def _decision(decision: TierDecision) -> dict[str, Any]:
    entry: dict[str, Any] = {"tier": decision.tier}
    if isinstance(decision, WeighedDecision):
        entry["model_sha256"] = decision.model_sha256
        entry["margin"] = decision.margin
        entry["expected_quality"] = {
            score.tier: score.expected_quality for score in decision.scores
        }
    return entry


def _features(text: str) -> dict[str, Any]:
    features = extract(text)
    return {
        "version": FEATURE_VERSION,
        "dense": [float(f"{value:.{_DENSE_DIGITS}g}") for value in features.dense],
        "buckets": sorted(features.buckets),
    }
