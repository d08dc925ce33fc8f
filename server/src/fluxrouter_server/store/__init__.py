"""Keeps counters, holds and limits in Valkey, where one Lua script makes each decision atomic."""
