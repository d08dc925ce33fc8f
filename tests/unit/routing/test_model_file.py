import json
import zlib
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import BUCKETS, DENSE_NAMES
from fluxrouter_server.routing.model_file import (
    MAX_FILE_BYTES,
    ModelFileError,
    read_model,
    write_model,
)
from fluxrouter_testing.tier_models import tier_model, tier_weights

GOOD = write_model(tier_model())


def packed(raw: bytes) -> str:
    return b64encode(zlib.compress(raw)).decode()


def test_a_model_survives_writing_and_reading() -> None:
    model = tier_model(
        tier_weights(Tier.FAST, 0.1, {"gap": 1e-7}, {0: -127, BUCKETS - 1: 127}),
        tier_weights(Tier.STANDARD, -3.25),
    )
    again = read_model(write_model(model))
    assert again == model
    assert write_model(again) == write_model(model)


def set_at(*path: str | int) -> Callable[[dict[str, Any], object], None]:
    def change(document: dict[str, Any], value: object) -> None:
        holder: Any = document
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "path,value,message",
    [
        (("format",), "pickle", "format: .*name another file"),
        (("format_version",), 2, "format_version: 2, .*train the model again"),
        (("feature_version",), 99, "feature_version: 99, .*train the model again"),
        (("feature_version",), None, "feature_version: None"),
        (("name",), 7, "name: want a text"),
        (("name",), "n" * 2001, "name: want a text of at most 2000"),
        (("facts",), [], "facts: want a JSON object"),
        (("facts", "source"), {}, "source: want a text"),
        (("balanced_cost_weight",), -0.1, "balanced_cost_weight: -0.1 is below 0"),
        (("balanced_cost_weight",), True, "balanced_cost_weight: want a number"),
        (("balanced_cost_weight",), 10**400, "balanced_cost_weight: want a number"),
        (("dense",), [], "dense: want a JSON object"),
        (("dense", "gap"), 5, "dense.gap: want a JSON object"),
        (("dense", "gap", "mean"), "0", "mean: want a number"),
        (("dense", "gap", "mean"), float("nan"), "mean: want a number"),
        (("dense", "gap", "mean"), float("inf"), "mean: want a number"),
        (("dense", "gap", "scale"), 0, "scale: 0.0 is not above 0"),
        (("dense", "gap", "weights"), [1, 2], "dense.gap.weights: want one for each tier"),
        (("dense", "gap", "weights"), [1, 2, None], "weights: want a number"),
        (("dense", "no such feature"), {}, "dense: 'no such feature' is missing or unknown"),
        (("tiers",), {}, "tiers: want a list"),
        (("tiers", 0), "fast", r"tiers\[0\]: want a JSON object"),
        (("tiers", 0, "tier"), "cheap", r"tiers\[0\].tier: want one of fast, standard, reasoning"),
        (("tiers", 0, "tier"), "standard", "tiers: want at least two, each once"),
        (("tiers", 0, "tier"), "reasoning", "tiers: want at least two, each once"),
        (("tiers", 1, "intercept"), 2e6, "intercept: want a number"),
        (("tiers", 1, "bucket_step"), None, "bucket_step: want a number"),
        (("tiers", 1, "bucket_weights"), "%%%", "not base64 of zlib"),
        (("tiers", 1, "bucket_weights"), "AAAA", "not base64 of zlib"),
        (("tiers", 1, "bucket_weights"), "é", "not base64 of zlib"),
        (("tiers", 1, "bucket_weights"), packed(b"\0" * 5), "want 32768 bytes"),
        (("tiers", 1, "bucket_weights"), packed(b"\0" * 10**8), "want 32768 bytes"),
        (
            ("tiers", 1, "bucket_weights"),
            packed(b"\x80" * BUCKETS),
            "want weights from -127 to 127",
        ),
        (("tiers", 1, "bucket_weights"), 1, "bucket_weights: want a text"),
    ],
)
def test_a_damaged_field_is_named_with_a_remedy(
    path: tuple[str | int, ...], value: object, message: str
) -> None:
    document = json.loads(GOOD)
    set_at(*path)(document, value)
    with pytest.raises(ModelFileError, match=message):
        read_model(json.dumps(document).encode())


@pytest.mark.parametrize("field", sorted(json.loads(GOOD)))
def test_a_missing_field_is_refused(field: str) -> None:
    document = json.loads(GOOD)
    del document[field]
    with pytest.raises(ModelFileError, match=field):
        read_model(json.dumps(document).encode())


def test_a_model_of_other_features_must_be_trained_again() -> None:
    document = json.loads(GOOD)
    del document["dense"][DENSE_NAMES[0]]
    with pytest.raises(ModelFileError, match=r"text length.*train the model again"):
        read_model(json.dumps(document).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"\x80\x04\x95",
        b"[" * 100_000,
        GOOD[: len(GOOD) // 2],
    ],
)
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError, match="fetch it again"):
        read_model(data)


def test_a_file_that_is_far_too_large_is_not_even_parsed() -> None:
    with pytest.raises(ModelFileError, match="larger than"):
        read_model(b" " * (MAX_FILE_BYTES + 1))


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_damage_is_refused_or_harmless_but_never_a_crash(place: int, damage: bytes) -> None:
    data = GOOD[:place] + damage + GOOD[place + len(damage) :]
    with suppress(ModelFileError):
        assert read_model(data).tiers == tuple(Tier)
