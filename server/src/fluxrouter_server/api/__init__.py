"""Serves the gRPC contracts: turns wire messages into domain values and back, decides nothing."""
