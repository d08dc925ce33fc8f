"""Brings the world to what was decided: gather, decide, act, and again from the start next time."""
