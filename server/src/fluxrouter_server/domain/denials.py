"""Why a request is refused, as data: the core knows reasons, transports know status codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fluxrouter_server.domain.values import per_call_value


class Reason(StrEnum):
    """Reasons, with the names of `fluxrouter.v1.Reason` without its prefix."""

    CAP_REACHED = "CAP_REACHED"
    HOURLY_CAP_REACHED = "HOURLY_CAP_REACHED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_IN_FLIGHT = "TOO_MANY_IN_FLIGHT"
    TOKEN_RATE_LIMITED = "TOKEN_RATE_LIMITED"  # noqa: S105 - a reason, not a secret
    PAYMENT_METHOD_REQUIRED = "PAYMENT_METHOD_REQUIRED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    MODEL_NOT_IN_PLAN = "MODEL_NOT_IN_PLAN"
    API_KEY_INVALID = "API_KEY_INVALID"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    MODEL_UNPRICED = "MODEL_UNPRICED"
    NO_HEALTHY_MODEL = "NO_HEALTHY_MODEL"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    INVALID_REQUEST = "INVALID_REQUEST"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    RESOURCE_IN_USE = "RESOURCE_IN_USE"
    HOLD_NOT_FOUND = "HOLD_NOT_FOUND"
    HOLD_TOO_OLD = "HOLD_TOO_OLD"
    HOLD_NOT_YOURS = "HOLD_NOT_YOURS"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ATTEMPT_SUPERSEDED = "ATTEMPT_SUPERSEDED"
    CREDENTIAL_INVALID = "CREDENTIAL_INVALID"
    SCOPE_MISSING = "SCOPE_MISSING"
    HOLD_ENDED = "HOLD_ENDED"
    KEY_EXISTS = "KEY_EXISTS"


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """What a level looked like when it said no; amounts in nano-USD."""

    level: str  # "account", "hour", "budget/<name>" or "key/<name>"
    cap_nano_usd: int
    settled_nano_usd: int
    held_nano_usd: int
    need_nano_usd: int
    reset_us: int | None  # when the level starts anew, µs since 1970 UTC

    @property
    def remaining_nano_usd(self) -> int:
        """Money that may still be held on the level, never negative."""
        return max(0, self.cap_nano_usd - self.settled_nano_usd - self.held_nano_usd)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A wrong field of a request: its path, what is wrong and what would be right."""

    field: str
    description: str


@per_call_value
class Denial:
    """A refusal.

    `message` is one sentence for people that says what to do. `retry_after_us` is set where waiting
    helps. `facts` are the further figures that `errors.proto` lists for the reason, by their names.
    """

    reason: Reason
    message: str
    retry_after_us: int | None = None
    level: LevelFigures | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
