"""An index of the entries that few accounts have many of: closes and adjustments.

A rebuild, a prune and an adjustment of a closed month look for them; without it each reads every
entry of the account. It covers these kinds only, so it costs the writing of others nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RARE = sa.text("kind IN ('period-close', 'adjustment', 'invoice-credit')")


def upgrade() -> None:
    """Create the index."""
    op.create_index(
        "ix_ledger_entries_rare",
        "ledger_entries",
        ["uid", "kind", "period"],
        sqlite_where=_RARE,
        postgresql_where=_RARE,
    )


def downgrade() -> None:
    """Drop it; nothing is lost."""
    op.drop_index("ix_ledger_entries_rare", "ledger_entries")
