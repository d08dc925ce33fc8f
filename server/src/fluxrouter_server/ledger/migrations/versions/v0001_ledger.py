"""The first tables.

Written out rather than taken from `tables`, which goes on to change.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    _create_entries()
    _create_controls()
    _create_usage()
    op.create_table(
        "ledger_accounts",
        sa.Column("uid", sa.Text, nullable=False),
        *_texts("name"),
        *_numbers("epoch", "seq", "pruned_seq"),
        sa.PrimaryKeyConstraint("uid", name="pk_ledger_accounts"),
    )
    op.create_index("ix_ledger_accounts_name", "ledger_accounts", ["name"])
    op.create_table(
        "ledger_shards",
        sa.Column("shard", sa.SmallInteger, nullable=False, autoincrement=False),
        *_numbers("epoch"),
        *_texts("marker"),
        *_numbers("update_us"),
        sa.PrimaryKeyConstraint("shard", name="pk_ledger_shards"),
    )
    op.create_table(
        "ledger_rejects",
        sa.Column("shard", sa.SmallInteger, nullable=False),
        *_texts("stream_id"),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        *_texts("reason"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("shard", "stream_id", "digest", name="pk_ledger_rejects"),
    )


def downgrade() -> None:
    """Refuse: it would delete the ledger."""
    raise NotImplementedError("there is nothing before the first schema; keep the ledger")


def _create_entries() -> None:
    op.create_table(
        "ledger_entries",
        *_texts("uid"),
        *_numbers("epoch", "seq"),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        *_texts("kind"),
        *_numbers("time_us", "period", "period_start_us", "period_end_us", "hour"),
        sa.Column("hold_id", sa.Text, nullable=True),
        *_texts("request_id"),
        *_numbers("attempt"),
        sa.Column("n", sa.Integer, nullable=False),
        *_texts("state", "principal", "key_name", "labels", "model_asked", "model", "lane"),
        *_texts("tier", "upstream", "upstream_model"),
        *_numbers("input_rate_nano_usd", "cached_input_rate_nano_usd"),
        *_numbers("cache_write_rate_nano_usd", "output_rate_nano_usd"),
        sa.Column("has_usage", sa.Boolean, nullable=False),
        *_numbers("input_tokens", "cached_input_tokens", "cache_write_tokens"),
        *_numbers("output_tokens", "reasoning_tokens"),
        *_texts("catalog_generation", "plan", "plan_generation"),
        *_numbers("cost_nano_usd", "billed_nano_usd", "absorbed_nano_usd"),
        *_numbers("included_nano_usd", "metered_nano_usd", "credit_nano_usd"),
        *_numbers("freed_nano_usd"),
        sa.Column("settled_after_nano_usd", sa.BigInteger, nullable=True),
        *_texts("levels"),
        sa.Column("percent", sa.Integer, nullable=False),
        *_texts("reason"),
        sa.PrimaryKeyConstraint("uid", "epoch", "seq", name="pk_ledger_entries"),
        sa.UniqueConstraint("hold_id", "kind", "n", name="uq_ledger_entries_hold_id_kind_n"),
    )
    op.create_index("ix_ledger_entries_request", "ledger_entries", ["uid", "request_id"])
    op.create_index("ix_ledger_entries_time", "ledger_entries", ["uid", "time_us"])


def _create_controls() -> None:
    op.create_table(
        "ledger_controls",
        sa.Column("shard", sa.SmallInteger, nullable=False),
        *_numbers("epoch"),
        *_texts("stream_id"),
        *_numbers("time_us"),
        *_texts("document", "name", "generation"),
        sa.Column("body", sa.LargeBinary, nullable=True),
        sa.Column("uid", sa.Text, nullable=True),
        *_numbers("seq"),
        sa.Column("flags", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("shard", "epoch", "stream_id", name="pk_ledger_controls"),
        sa.UniqueConstraint("uid", "epoch", "seq", name="uq_ledger_controls_uid_epoch_seq"),
    )
    op.create_index("ix_ledger_controls_document", "ledger_controls", ["document", "name"])


def _create_usage() -> None:
    op.create_table(
        "ledger_usage",
        *_texts("uid"),
        sa.Column("grain", sa.SmallInteger, nullable=False, autoincrement=False),
        *_numbers("bucket_us", "period_start_us"),
        sa.Column("dimensions", sa.LargeBinary, nullable=False),
        *_texts("model", "lane", "key_name", "labels"),
        *_numbers("requests", "input_tokens", "cached_input_tokens", "cache_write_tokens"),
        *_numbers("output_tokens", "reasoning_tokens", "cost_nano_usd", "billed_nano_usd"),
        *_numbers("absorbed_nano_usd", "included_nano_usd", "metered_nano_usd"),
        *_numbers("credit_nano_usd"),
        sa.PrimaryKeyConstraint(
            "uid",
            "grain",
            "bucket_us",
            "period_start_us",
            "dimensions",
            name="pk_ledger_usage",
        ),
    )
    op.create_index("ix_ledger_usage_period", "ledger_usage", ["uid", "grain", "period_start_us"])


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
