"""The `fluxrouter` command: how people and scripts start the server and talk to it."""
