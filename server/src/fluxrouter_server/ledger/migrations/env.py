"""Runs migrations on the connection that `schema.migrate` opened; Alembic loads this by path."""

from alembic import context

from fluxrouter_server.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite cannot alter much in place: Alembic copies the table instead.
    render_as_batch=True,
    version_table="ledger_schema",
)
context.run_migrations()
