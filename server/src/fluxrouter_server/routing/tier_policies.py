"""Makes a chooser of tiers of what the catalog says, once for each catalog, and checks it.

The model's file stands in the catalog itself, so a new model is in force on every replica with the
catalog, and the previous catalog brings the previous one back. The one exception is the model that
comes with the server.
"""

import zlib
from collections.abc import Iterator

from fluxrouter_server.domain.catalog import Catalog, TierPolicy, TierRouting
from fluxrouter_server.domain.checks import in_range
from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.routing.model_file import MAX_FILE_BYTES, ModelFileError, read_model
from fluxrouter_server.routing.tier_choice import Policy, WeighingTierChooser, cost_weight_at
from fluxrouter_server.routing.tier_model import TierModel

#: Of a model's file as it stands in the catalog: Kubernetes keeps objects of 1.5 MB at most, and
#: the catalog may hold two models.
MAX_PACKED_BYTES = 512 * 1024
MAX_DIAL_PERCENT = 100
MAX_RELATIVE_COST = 1_000_000

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's number for gzip's own frame
# The catalog in force, the one before it, and what is tried out.
_MOST_MODELS = 4


def pack_model(data: bytes) -> bytes:
    """Return a model's file as the catalog holds it: gzipped, the same for the same file."""
    packer = zlib.compressobj(level=9, wbits=_GZIP_WINDOW)  # writes no time, unlike `gzip`
    return packer.compress(data) + packer.flush()


def unpack_model(data: bytes) -> bytes:
    """Return the file that the catalog holds, plain or gzipped.

    Raises:
        ModelFileError: if it is damaged, or larger than a model can be.
    """
    if not data.startswith(_GZIP_MAGIC):
        return data
    inflater = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        # Bounded, so that a small file cannot fill the memory.
        plain = inflater.decompress(data, MAX_FILE_BYTES + 1)
    except zlib.error as error:
        raise ModelFileError("the file: damaged gzip; fetch it again") from error
    if not inflater.eof:
        raise ModelFileError("the file: cut off, or far too large; fetch it again")
    return plain


class TierPolicies:
    """Reads each model once, and makes one chooser of a catalog.

    `shipped` is the model that comes with the server, with its hash.
    """

    def __init__(self, shipped: TierModel) -> None:
        self._shipped = shipped
        self._models: dict[tuple[str, bytes], TierModel] = {}
        self._made_of: TierRouting | None = None
        self._chooser = self._make(TierRouting())

    def of(self, catalog: Catalog) -> WeighingTierChooser:
        """Return the chooser of a catalog; the same object until the catalog's routing changes.

        A model that this version cannot read (the catalog was applied through a newer server) is
        replaced by the one that comes with the server: a plainer choice is better than none.
        """
        if catalog.routing is not self._made_of:
            self._chooser = self._make(catalog.routing)
            self._made_of = catalog.routing
        return self._chooser

    def violations(self, catalog: Catalog) -> Iterator[FieldViolation]:
        """Say what is wrong with a catalog's routing, with paths such as `spec.routing.active`."""
        routing = catalog.routing
        yield from self._of_policy("spec.routing.active", routing.active)
        if routing.shadow is not None:
            yield from self._of_policy("spec.routing.shadow", routing.shadow)
        for tier, cost in routing.costs.by_tier().items():
            yield from in_range(
                f"spec.routing.costs.{tier}", int(cost), low=1, high=MAX_RELATIVE_COST
            )

    def _of_policy(self, path: str, policy: TierPolicy) -> Iterator[FieldViolation]:
        yield from in_range(
            f"{path}.costDialPercent", policy.cost_dial_percent, low=0, high=MAX_DIAL_PERCENT
        )
        if len(policy.model_file) > MAX_PACKED_BYTES:
            yield FieldViolation(
                f"{path}.modelFile",
                f"{len(policy.model_file)} bytes are too many; use at most {MAX_PACKED_BYTES}:"
                " `fluxrouter embed-model` packs the file",
            )
            return
        try:
            self._model(policy)
        except ModelFileError as error:
            yield FieldViolation(f"{path}.modelFile", str(error))

    def _make(self, routing: TierRouting) -> WeighingTierChooser:
        costs = routing.costs.by_tier()

        def weighed(policy: TierPolicy) -> tuple[TierModel, Policy]:
            try:
                model = self._model(policy)
            except ModelFileError:
                model = self._shipped
            dial = policy.cost_dial_percent / MAX_DIAL_PERCENT
            return model, Policy(costs, cost_weight_at(dial, model.balanced_cost_weight))

        shadow = None if routing.shadow is None else weighed(routing.shadow)
        return WeighingTierChooser(*weighed(routing.active), shadow)

    def _model(self, policy: TierPolicy) -> TierModel:
        """Return a policy's model; raises ModelFileError with what is wrong about it."""
        wanted, file = policy.model_sha256, policy.model_file
        if not file:
            if wanted in {"", self._shipped.sha256}:
                return self._shipped
            raise ModelFileError(
                f"there is no file of the model {wanted[:12]}…: put it in"
                " (`fluxrouter embed-model`), or leave modelSha256 empty for the model that comes"
                f" with the server ({self._shipped.sha256[:12]}…)"
            )
        known = self._models.get((wanted, file))
        if known is not None:
            return known
        model = read_model(unpack_model(file))
        if model.sha256 != wanted:
            raise ModelFileError(
                f"its SHA-256 is {model.sha256}, not the modelSha256 {wanted[:64]!r}: correct it"
            )
        while len(self._models) >= _MOST_MODELS:
            del self._models[next(iter(self._models))]
        self._models[wanted, file] = model
        return model
