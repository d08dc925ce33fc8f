"""Settings that hold for every test."""

from hypothesis import settings

# No deadline for a single example: the machine may be busy, and every test has its time-out anyway.
settings.register_profile("fluxrouter", parent=settings.default, deadline=None, print_blob=True)
# For whoever changed a rule: `--hypothesis-profile=thorough` takes minutes where CI takes seconds.
settings.register_profile("thorough", parent=settings.get_profile("fluxrouter"), max_examples=1_000)
settings.load_profile("fluxrouter")
