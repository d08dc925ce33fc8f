"""What the store answers: the types of replies, and what an error reply means for the caller.

The store's error replies start with a code word by convention. `classify` sorts them by the only
question that matters to money: was anything executed?
"""

from typing import Final, TypeAlias

from fluxrouter_server.store.errors import CommandRefused, StoreError, StoreNotReady

__all__ = ["Argument", "Command", "ErrorReply", "Outcome", "Reply", "classify"]

Reply: TypeAlias = "bytes | int | list[Reply] | None"
"""A reply in RESP2: bulk and status strings as bytes, integers, nil, arrays of these."""

Outcome: TypeAlias = "Reply | StoreError"
"""What became of one call among many: its reply, or its own failure."""

Argument: TypeAlias = "bytes | str | int"
"""One word of a command; text goes out as UTF-8. No float: amounts must not pass through one."""

Command: TypeAlias = "tuple[Argument, ...]"

_REDIRECTIONS: Final = frozenset({"TRYAGAIN", "ASK", "MOVED"})
"""About one key's slot: other keys fare differently, so these are no outage."""

_PASSING: Final = _REDIRECTIONS | {"CLUSTERDOWN", "NOSCRIPT", "LOADING", "BUSY", "MASTERDOWN"}
"""Nothing was executed, and a moment later it may be: worth another try within the deadline."""

_LASTING: Final = frozenset({"OOM", "MISCONF", "READONLY", "NOREPLICAS"})
"""Nothing was executed, and without somebody's help it will not be soon: no use to try again."""

_NO_OUTAGE: Final = _REDIRECTIONS | {"NOSCRIPT", "OOM"}
"""OOM stops admissions only; settlements carry `allow-oom` and must still get through."""

_REMEDIES: Final = {
    "OOM": "the store's memory is full; raise maxmemory",
    "MISCONF": "the store cannot write its files; free disk space or mend the disk",
    "READONLY": "this is a replica; the URL must lead to the primary",
    "NOREPLICAS": "too few replicas are connected for min-replicas-to-write",
    "MOVED": "this is a Cluster node; the URL must lead to a single server",
    "NOAUTH": "the store wants a password; put it into the store's URL",
    "WRONGPASS": "the user or password in the store's URL is wrong",
    "NOPERM": "the store's user lacks a permission; grant it by ACL SETUSER",
}


class ErrorReply(Exception):
    """An error as it came off the wire, before anyone decided what it means.

    Attributes:
        text: The whole line, such as `NOSCRIPT No matching script.`.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @property
    def code(self) -> str:
        """The first word: by convention of the protocol, the kind of the error."""
        return self.text.split(" ", 1)[0]

    @property
    def inside_script(self) -> bool:
        """Whether the error interrupted a running script.

        The store appends ` script: <sha>, on @user_script:<line>.` to such errors and to no others;
        an error that a script returned on purpose has no such ending.
        """
        return " script: " in self.text and "@user_script:" in self.text


def classify(reply: ErrorReply, wording: str | None = None) -> StoreError:
    """Says what an error reply means for the one who sent the command.

    Args:
        reply: The error as it came.
        wording: A clearer text to show in place of the reply's own.

    Returns:
        `StoreNotReady` where it is certain that nothing was executed, else `CommandRefused`. An
        error that interrupted a script is always the latter: what it wrote before stands.
    """
    code = reply.code
    remedy = f": {_REMEDIES[code]}" if code in _REMEDIES else ""
    message = f"the store answered {wording or reply.text!r}{remedy}"
    if reply.inside_script:
        return CommandRefused(message, code=code, inside_script=True)
    if code in _PASSING or code in _LASTING:
        return StoreNotReady(
            message, code=code, may_repeat=code in _PASSING, is_outage=code not in _NO_OUTAGE
        )
    return CommandRefused(message, code=code)
