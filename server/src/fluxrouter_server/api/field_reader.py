"""Reads fields of a message into domain values and notes everything that is wrong with them.

Whoever sends ten mistakes wants to hear of ten. So a reader does not stop at the first: it notes
the violation, goes on with a stand-in value, and the caller looks at `violations` at the end.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter_server.domain.denials import Denial, FieldViolation
from fluxrouter_server.domain.money import MoneyError, parse_usd
from fluxrouter_server.domain.names import shown
from fluxrouter_server.services.refusals import invalid

__all__ = ["FieldReader"]

E = TypeVar("E", bound=StrEnum)

_MICROSECONDS = 10**6
_NANOS_PER_MICROSECOND = 1000
_MAX_NANOS = 10**9 - 1
#: 9999-12-31T23:59:59Z, the last second that RFC 3339 and Timestamp can name.
_MAX_SECONDS = 253_402_300_799


class FieldReader:
    """Reads the fields of one message.

    Args:
        path: The message's own path, such as `resources[3].plan.spec`; empty for a request.
        violations: Where violations are noted; readers of one request share it.
    """

    def __init__(self, path: str = "", violations: list[FieldViolation] | None = None) -> None:
        self._path = path
        self.violations: list[FieldViolation] = [] if violations is None else violations

    def at(self, name: str) -> "FieldReader":
        """Returns a reader of a message in a field, noting its violations with this one's."""
        return FieldReader(self._join(name), self.violations)

    def wrong(self, name: str, description: str) -> None:
        """Notes that a field is wrong; the description says what is right."""
        self.violations.append(FieldViolation(self._join(name), description))

    def note(self, violations: Iterable[FieldViolation]) -> None:
        """Notes what a rule of the domain found; its paths begin at this reader's."""
        for violation in violations:
            self.wrong(violation.field, violation.description)

    def required_text(self, name: str, text: str) -> str:
        """Returns the text, and notes where it is empty."""
        if not text:
            self.wrong(name, "is required")
        return text

    def usd(self, name: str, text: str, *, default: int) -> int:
        """Returns the nano-USD of a decimal string; `default` where it is empty."""
        if not text:
            return default
        try:
            return parse_usd(text)
        except MoneyError as error:
            self.wrong(name, str(error))
            return default

    def required_usd(self, name: str, text: str) -> int:
        """Returns the nano-USD of a decimal string, and notes where it is empty."""
        if not text:
            self.wrong(name, 'is required; write an amount in USD, such as "1.00"')
        return self.usd(name, text, default=0)

    def optional_usd(self, name: str, text: str) -> int | None:
        """Returns the nano-USD of a decimal string; None where it is empty."""
        return self.usd(name, text, default=0) if text else None

    def choice(self, name: str, text: str, of: type[E], *, default: E) -> E:
        """Returns the member of a closed set; `default` where the text is empty."""
        if not text:
            return default
        try:
            return of(text)
        except ValueError:
            self.wrong(name, f"{shown(text)} is not one of {_listed(of)}")
            return default

    def choices(self, name: str, texts: Iterable[str], of: type[E]) -> frozenset[E]:
        """Returns the members of a closed set; each wrong one is noted with its index."""
        found = set()
        for index, text in enumerate(texts):
            try:
                found.add(of(text))
            except ValueError:
                self.wrong(f"{name}[{index}]", f"{shown(text)} is not one of {_listed(of)}")
        return frozenset(found)

    def instant_us(self, name: str, time: Timestamp) -> int:
        """Returns an instant in µs since 1970 UTC, rounded down; it must be from 1970 to 9999."""
        if not 0 <= time.seconds <= _MAX_SECONDS or not 0 <= time.nanos <= _MAX_NANOS:
            self.wrong(name, "is no time from 1970 to 9999")
            return 0
        return time.seconds * _MICROSECONDS + time.nanos // _NANOS_PER_MICROSECOND

    def denial(self) -> Denial | None:
        """Returns the refusal of a request with these violations; None where there are none."""
        return invalid(self.violations)

    def _join(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _listed(of: type[StrEnum]) -> str:
    return ", ".join(f"`{member}`" for member in of)
