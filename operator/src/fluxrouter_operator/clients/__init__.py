"""The two that the operator talks to: the FluxRouter server and the Kubernetes API server."""
