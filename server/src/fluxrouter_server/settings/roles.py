"""Which parts of a server a process runs, where they are to be scaled apart."""

from enum import StrEnum

__all__ = ["Role"]


class Role(StrEnum):
    """What `--role` names."""

    ALL = "all"
    SERVE = "serve"
    """Takes calls; others of the store bring its entries into the ledger."""
    LEDGER = "ledger"
    """Brings entries into the ledger, and takes no calls."""
