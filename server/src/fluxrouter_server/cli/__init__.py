"""The `fluxrouter` command: a client of the gRPC services, and the way to start a server."""
