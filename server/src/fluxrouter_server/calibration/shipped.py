"""The model that comes with FluxRouter, for operators who have no labels of their own yet."""

from functools import cache
from importlib.resources import files

from fluxrouter_server.routing.model_file import read_model
from fluxrouter_server.routing.tier_model import TierModel

#: Where the package keeps it; `docs/routing.md` says what it was trained on and what it cannot do.
DEFAULT_MODEL_FILE = "models/default-v1.json"


@cache
def default_model_bytes() -> bytes:
    """Return the file's bytes, as they would be put into a catalog."""
    return (files("fluxrouter_server.routing") / DEFAULT_MODEL_FILE).read_bytes()


@cache
def default_model() -> TierModel:
    """Return the default model; read once in a process."""
    return read_model(default_model_bytes())
