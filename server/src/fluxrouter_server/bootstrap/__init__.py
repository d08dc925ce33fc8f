"""Puts a server together and runs it: the only place that knows all the others."""

from fluxrouter_server.bootstrap.serving import EdgeUrls, Listening, serve

__all__ = ["EdgeUrls", "Listening", "serve"]
