"""The ledger in SQL: tables and their migrations, the worker that fills them, and what is read."""
