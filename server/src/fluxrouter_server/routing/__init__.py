"""Chooses a request's tier and puts its candidate models in order, pure and deterministic."""
