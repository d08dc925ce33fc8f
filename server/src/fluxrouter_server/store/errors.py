"""What can go wrong between this process and its store, below what the use cases tell apart.

::

    services.ports.errors.StoreError
    ├── StoreUnavailable          no answer that a decision could stand on
    │   ├── CommandNotSent        the command never left this process
    │   ├── StoreNotReady         the store answered that it executed nothing: it loads, is full, …
    │   └── CommandOutcomeUnknown the command left and no reply came: executed, or not
    ├── StoreRefused              the store must not be used as it is set up
    │   ├── StoreUnsuitable       because of what it is or how it is configured
    │   └── StoreLocked           because another process owns the embedded store's directory
    ├── CommandRefused            the store answered an error: command, script or right is wrong
    └── EmbeddedStoreFailed       the embedded store did not start, or ended by itself

The one promise: `outcome_unknown` is False only where it is certain that nothing was executed, so
that a caller may repeat the command without a thought.
"""

from fluxrouter_server.services.ports.errors import StoreError, StoreRefused, StoreUnavailable

__all__ = [
    "CallFailed",
    "CommandNotSent",
    "CommandOutcomeUnknown",
    "CommandRefused",
    "EmbeddedStoreFailed",
    "StoreError",
    "StoreLocked",
    "StoreNotReady",
    "StoreRefused",
    "StoreUnavailable",
    "StoreUnsuitable",
]


class CallFailed(StoreUnavailable):
    """A call that got no usable answer.

    Attributes:
        may_repeat: Nothing was executed, and another try within the same deadline makes sense.
        is_outage: Any other call would fare the same, so a circuit breaker counts it.
    """

    def __init__(
        self, message: str, *, outcome_unknown: bool, may_repeat: bool, is_outage: bool
    ) -> None:
        super().__init__(message, outcome_unknown=outcome_unknown)
        self.may_repeat = may_repeat
        self.is_outage = is_outage


class CommandNotSent(CallFailed):
    """The command never left this process: nothing was executed."""

    def __init__(self, message: str, *, may_repeat: bool = False, is_outage: bool = True) -> None:
        super().__init__(message, outcome_unknown=False, may_repeat=may_repeat, is_outage=is_outage)


class StoreNotReady(CallFailed):
    """The store answered that it did not execute the command, and may another time.

    Attributes:
        code: The first word of the store's answer, such as `LOADING` or `TRYAGAIN`.
    """

    def __init__(self, message: str, *, code: str, may_repeat: bool, is_outage: bool) -> None:
        super().__init__(message, outcome_unknown=False, may_repeat=may_repeat, is_outage=is_outage)
        self.code = code


class CommandOutcomeUnknown(CallFailed):
    """The command left this process and no reply came: it may or may not have been executed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, outcome_unknown=True, may_repeat=False, is_outage=True)


class CommandRefused(StoreError):
    """The store answered an error: the command, the script or a permission is wrong.

    Attributes:
        code: The first word of the answer, such as `ERR`, `WRONGTYPE` or a script's own code.
        inside_script: The error interrupted a running script, so that what the script wrote before
            it stands: the store does not roll back.
    """

    def __init__(self, message: str, *, code: str, inside_script: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.inside_script = inside_script


class StoreUnsuitable(StoreRefused):
    """The store answers, but decisions made on it could be wrong; the message says the remedy."""


class StoreLocked(StoreRefused):
    """Another process owns the embedded store's data directory."""


class EmbeddedStoreFailed(StoreError):
    """The embedded store did not start, or ended by itself."""
