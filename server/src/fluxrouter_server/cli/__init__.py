"""The `fluxrouter` command: a client of the gRPC services, and the way to start a server."""

import os

# A server starts processes, and never forks to go on in Python: grpc's preparations for that would
# only complain. It reads the variable when it is imported, so this stands before all that do.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
