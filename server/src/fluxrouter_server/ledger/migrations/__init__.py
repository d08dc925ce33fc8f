"""The history of the ledger's schema; `schema` runs it."""
