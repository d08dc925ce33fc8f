"""Tells operators what the server does: logs, metrics and traces, each declared in one place."""
