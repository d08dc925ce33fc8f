"""Exit codes, so that scripts can tell a no from a failure."""

from enum import IntEnum


class Exit(IntEnum):
    """What the process says when it ends; 0 is success and 2 is click's for wrong usage."""

    FAILED = 1  # the server refused the call, or the set-up is wrong
    DENIED = 3  # the call worked and the answer is no
    UNAVAILABLE = 4  # no server or no store answered; the same command may work later
