"""Settings that hold for every test."""

from hypothesis import settings

# No deadline for a single example: the machine may be busy, and every test has its time-out anyway.
settings.register_profile("fluxrouter", parent=settings.default, deadline=None, print_blob=True)
settings.load_profile("fluxrouter")
