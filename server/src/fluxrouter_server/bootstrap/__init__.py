"""Puts a server together and runs it: the only place that knows all the others."""
