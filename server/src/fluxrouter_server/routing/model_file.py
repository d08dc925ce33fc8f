"""The file of a tier model: JSON that people can read, with the many bucket weights packed.

Reading executes nothing and believes nothing: every field is checked for kind, size and range, and
an error names the field, the problem and the remedy. The SHA-256 of the file's bytes identifies the
model in every decision; `sha256sum` shows the same.
"""

import json
import zlib
from array import array
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import BUCKETS, DENSE_NAMES, FEATURE_VERSION
from fluxrouter_server.routing.tier_model import (
    LARGEST_BUCKET_WEIGHT,
    TierModel,
    TierWeights,
)

FORMAT = "fluxrouter-tier-model"
FORMAT_VERSION = 1

#: Ten times what a model of three tiers can need.
MAX_FILE_BYTES = 8 * 1024 * 1024

_MAX_MAGNITUDE = 1e6
_MAX_TEXT = 2000
_RETRAIN = "train the model again with this version (`fluxrouter calibrate`)"
_FETCH = "the file is damaged or no model: fetch it again"


class ModelFileError(ValueError):
    """A model file that cannot be used; the message names field, problem and remedy."""


def write_model(model: TierModel) -> bytes:
    """Return the bytes of a model's file; the same model gives the same bytes."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "feature_version": FEATURE_VERSION,
        "name": model.name,
        "facts": dict(model.facts),
        "balanced_cost_weight": model.balanced_cost_weight,
        "dense": {
            name: {
                "mean": model.means[place],
                "scale": model.scales[place],
                "weights": [weights.dense[place] for weights in model.weights],
            }
            for place, name in enumerate(DENSE_NAMES)
        },
        "tiers": [
            {
                "tier": weights.tier.value,
                "intercept": weights.intercept,
                "bucket_step": weights.bucket_step,
                "bucket_weights": _pack(weights.buckets),
            }
            for weights in model.weights
        ],
    }
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def read_model(data: bytes) -> TierModel:
    """Return the model that a file's bytes hold.

    Raises:
        ModelFileError: if the bytes are no model, or one for another version of the features.
    """
    document = _object(_parse(data), "the file")
    _check_versions(document)
    tiers = _sequence(document, "tiers")
    dense = _dense(document, len(tiers))
    weights = tuple(
        _tier(_object(entry, f"tiers[{place}]"), place, dense) for place, entry in enumerate(tiers)
    )
    order = [list(Tier).index(entry.tier) for entry in weights]
    if len(order) < 2 or order != sorted(set(order)):  # noqa: PLR2004 - a choice needs two
        raise ModelFileError(f"tiers: want at least two, each once, cheapest first; {_FETCH}")
    cost_weight = _number(document, "balanced_cost_weight")
    if cost_weight < 0:
        raise ModelFileError(f"balanced_cost_weight: {cost_weight} is below 0; {_FETCH}")
    facts = _object(document.get("facts"), "facts")
    return TierModel(
        name=_text(document, "name"),
        weights=weights,
        means=tuple(_number(entry, "mean") for entry in dense),
        scales=tuple(_scale(entry) for entry in dense),
        balanced_cost_weight=cost_weight,
        facts={key: _text(facts, key) for key in facts},
        sha256=sha256(data).hexdigest(),
    )


def _parse(data: bytes) -> object:
    if len(data) > MAX_FILE_BYTES:
        raise ModelFileError(f"the file: larger than {MAX_FILE_BYTES} bytes; {_FETCH}")
    try:
        parsed: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"the file: not JSON in UTF-8; {_FETCH}") from error
    return parsed


def _check_versions(document: Mapping[str, Any]) -> None:
    if document.get("format") != FORMAT:
        raise ModelFileError(f"format: want {FORMAT!r}; this is no tier model: name another file")
    if document.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"format_version: {document.get('format_version')!r}, but this version reads"
            f" {FORMAT_VERSION}; {_RETRAIN}"
        )
    if document.get("feature_version") != FEATURE_VERSION:
        raise ModelFileError(
            f"feature_version: {document.get('feature_version')!r}, but this version computes"
            f" {FEATURE_VERSION}; {_RETRAIN}"
        )


def _dense(document: Mapping[str, Any], tiers: int) -> list[Mapping[str, Any]]:
    """Return the entries of the dense features in their order."""
    table = _object(document.get("dense"), "dense")
    if set(table) != set(DENSE_NAMES):
        odd = sorted(set(table) ^ set(DENSE_NAMES))[0]
        raise ModelFileError(f"dense: {odd[:80]!r} is missing or unknown; {_RETRAIN}")
    entries = [_object(table[name], f"dense.{name}") for name in DENSE_NAMES]
    for name, entry in zip(DENSE_NAMES, entries, strict=True):
        if len(_sequence(entry, "weights")) != tiers:
            raise ModelFileError(f"dense.{name}.weights: want one for each tier; {_FETCH}")
    return entries


def _tier(entry: Mapping[str, Any], place: int, dense: Sequence[Mapping[str, Any]]) -> TierWeights:
    try:
        tier = Tier(_text(entry, "tier"))
    except ValueError as error:
        raise ModelFileError(
            f"tiers[{place}].tier: want one of {', '.join(Tier)}; {_FETCH}"
        ) from error
    return TierWeights(
        tier=tier,
        intercept=_number(entry, "intercept"),
        dense=tuple(_finite(feature["weights"][place], "weights") for feature in dense),
        bucket_step=_number(entry, "bucket_step"),
        buckets=_unpack(_text(entry, "bucket_weights", MAX_FILE_BYTES), place),
    )


def _pack(buckets: "array[int]") -> str:
    return b64encode(zlib.compress(buckets.tobytes())).decode("ascii")


def _unpack(packed: str, place: int) -> "array[int]":
    field = f"tiers[{place}].bucket_weights"
    inflater = zlib.decompressobj()
    try:
        # Bounded, so that a small file cannot fill the memory.
        raw = inflater.decompress(b64decode(packed, validate=True), BUCKETS + 1)
    except (Base64Error, zlib.error, ValueError) as error:
        raise ModelFileError(f"{field}: not base64 of zlib; {_FETCH}") from error
    if len(raw) != BUCKETS or not inflater.eof:
        raise ModelFileError(f"{field}: want {BUCKETS} bytes; {_FETCH}")
    buckets = array("b", raw)
    if min(buckets) < -LARGEST_BUCKET_WEIGHT:
        raise ModelFileError(
            f"{field}: want weights from -{LARGEST_BUCKET_WEIGHT} to {LARGEST_BUCKET_WEIGHT};"
            f" {_FETCH}"
        )
    return buckets


def _object(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelFileError(f"{field}: want a JSON object; {_FETCH}")
    return value


def _sequence(holder: Mapping[str, Any], field: str) -> list[Any]:
    value = holder.get(field)
    if not isinstance(value, list):
        raise ModelFileError(f"{field}: want a list; {_FETCH}")
    return value


def _text(holder: Mapping[str, Any], field: str, longest: int = _MAX_TEXT) -> str:
    value = holder.get(field)
    if not isinstance(value, str) or len(value) > longest:
        raise ModelFileError(f"{field}: want a text of at most {longest} characters; {_FETCH}")
    return value


def _number(holder: Mapping[str, Any], field: str) -> float:
    return _finite(holder.get(field), field)


def _finite(value: object, field: str) -> float:
    """Return a number that is finite and of a sane size; NaN and true are none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        value = None
    # An integer may be too large for a float, and NaN compares as false.
    if value is not None and -_MAX_MAGNITUDE <= value <= _MAX_MAGNITUDE:
        return float(value)
    raise ModelFileError(
        f"{field}: want a number from -{_MAX_MAGNITUDE:.0f} to {_MAX_MAGNITUDE:.0f}; {_FETCH}"
    )


def _scale(entry: Mapping[str, Any]) -> float:
    scale = _number(entry, "scale")
    if scale <= 0:
        raise ModelFileError(f"scale: {scale} is not above 0; {_FETCH}")
    return scale
