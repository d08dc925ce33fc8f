"""The ledger's tables. A change here needs a migration; a test compares the two.

Instants are µs since 1970 UTC, amounts nano-USD, both BIGINT. Texts are empty rather than NULL, so
that they group and compare as in Python; NULL is only what must not take part in a unique index.
There are no foreign keys: a correction may arrive before what it corrects (docs/protocol.md §8).
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = ["METADATA", "SUMS", "accounts", "controls", "entries", "rejects", "shards", "usage"]

METADATA: Final = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


# Word by word as the migration has it, and as queries must imply it.
_RARE_KINDS: Final = text("kind IN ('period-close', 'adjustment', 'invoice-credit')")

entries: Final = Table(
    "ledger_entries",
    METADATA,
    Column("uid", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("shard", SmallInteger, nullable=False),
    _text("kind"),
    _number("time_us"),
    _number("period"),
    _number("period_start_us"),
    _number("period_end_us"),
    _number("hour"),
    Column("hold_id", Text, nullable=True),
    _text("request_id"),
    _number("attempt"),
    Column("n", Integer, nullable=False),
    _text("state"),
    _text("principal"),
    _text("key_name"),
    _text("labels"),  # JSON object, keys sorted
    _text("model_asked"),
    _text("model"),
    _text("lane"),
    _text("tier"),
    _text("upstream"),
    _text("upstream_model"),
    _number("input_rate_nano_usd"),
    _number("cached_input_rate_nano_usd"),
    _number("cache_write_rate_nano_usd"),
    _number("output_rate_nano_usd"),
    Column("has_usage", Boolean, nullable=False),
    _number("input_tokens"),
    _number("cached_input_tokens"),
    _number("cache_write_tokens"),
    _number("output_tokens"),
    _number("reasoning_tokens"),
    _text("catalog_generation"),
    _text("plan"),
    _text("plan_generation"),
    _number("cost_nano_usd"),
    _number("billed_nano_usd"),
    _number("absorbed_nano_usd"),
    _number("included_nano_usd"),
    _number("metered_nano_usd"),
    _number("credit_nano_usd"),
    _number("freed_nano_usd"),
    Column("settled_after_nano_usd", BigInteger, nullable=True),
    _text("levels"),  # JSON array of the store's names of counters
    Column("percent", Integer, nullable=False),
    _text("reason"),
    UniqueConstraint("hold_id", "kind", "n"),
    Index("ix_ledger_entries_request", "uid", "request_id"),
    Index("ix_ledger_entries_time", "uid", "time_us"),
    Index(
        "ix_ledger_entries_rare",
        *("uid", "kind", "period"),
        sqlite_where=_RARE_KINDS,
        postgresql_where=_RARE_KINDS,
    ),
)

controls: Final = Table(
    "ledger_controls",
    METADATA,
    Column("shard", SmallInteger, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("stream_id", Text, primary_key=True),
    _number("time_us"),
    _text("document"),
    _text("name"),
    _text("generation"),
    Column("body", LargeBinary, nullable=True),
    Column("uid", Text, nullable=True),
    _number("seq"),
    Column("flags", Integer, nullable=False),
    UniqueConstraint("uid", "epoch", "seq"),
    Index("ix_ledger_controls_document", "document", "name"),
)

#: What the sums below are of: additive columns of an entry.
SUMS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
    "billed_nano_usd",
    "absorbed_nano_usd",
    "included_nano_usd",
    "metered_nano_usd",
    "credit_nano_usd",
)

usage: Final = Table(
    "ledger_usage",
    METADATA,
    Column("uid", Text, primary_key=True),
    Column("grain", SmallInteger, primary_key=True, autoincrement=False),  # see rollups.Grain
    Column("bucket_us", BigInteger, primary_key=True),  # begin of the quarter or day
    Column("period_start_us", BigInteger, primary_key=True),
    Column("dimensions", LargeBinary, primary_key=True),  # digest of the texts below
    _text("model"),
    _text("lane"),
    _text("key_name"),
    _text("labels"),
    _number("requests"),
    *(_number(name) for name in SUMS),
    Index("ix_ledger_usage_period", "uid", "grain", "period_start_us"),
)

accounts: Final = Table(
    "ledger_accounts",
    METADATA,
    Column("uid", Text, primary_key=True),
    _text("name"),  # empty until its document's entry came
    _number("epoch"),  # of the latest entry, and its seq: what is after these is new
    _number("seq"),
    _number("pruned_seq"),  # entries up to this one were taken out by retention
    Index("ix_ledger_accounts_name", "name"),
)

shards: Final = Table(
    "ledger_shards",
    METADATA,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    _number("epoch"),  # highest of which an entry came, or that a rebuild began
    _text("marker"),
    _number("update_us"),
)

rejects: Final = Table(
    "ledger_rejects",
    METADATA,
    Column("shard", SmallInteger, primary_key=True),
    Column("stream_id", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),  # of the body: ids may repeat in another life
    _text("reason"),
    Column("body", LargeBinary, nullable=False),
)
