"""Kubernetes as the server uses it: to find out whose a ServiceAccount's token is."""
