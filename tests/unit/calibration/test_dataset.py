import gzip
import json
from math import isnan
from pathlib import Path

import pytest

from fluxrouter_server.calibration.dataset import DatasetError, read_dataset
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import BUCKETS, FEATURE_VERSION, extract

#: Without a time, so that the tests of all workers have the same names.
_PACKED = gzip.compress(b"x" * 99, mtime=0)


def written(folder: Path, *rows: object, name: str = "labels.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_usual_columns_are_found_and_others_ignored(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"prompt": "a", "reasoning": True, "fast": 0.25, "standard": 1, "source": "x"},
        {"prompt": "b", "reasoning": 0, "fast": False, "standard": 0.5},
    )
    dataset = read_dataset(path)
    assert dataset.tiers == tuple(Tier)
    assert dataset.prompts == ("a", "b")
    assert dataset.scores == ((0.25, 1.0, 1.0), (0.0, 0.5, 0.0))


def test_weak_and_strong_are_the_cheapest_and_the_dearest_tier(tmp_path: Path) -> None:
    dataset = read_dataset(written(tmp_path, {"prompt": "a", "strong": True, "weak": False}))
    assert dataset.tiers == (Tier.FAST, Tier.REASONING)
    assert dataset.scores == ((0.0, 1.0),)


def test_any_column_can_score_a_tier(tmp_path: Path) -> None:
    path = written(tmp_path, {"prompt": "a", "llama": 0.1, "gpt": 0.9})
    dataset = read_dataset(path, {"gpt": Tier.STANDARD, "llama": Tier.FAST})
    assert dataset.tiers == (Tier.FAST, Tier.STANDARD)
    assert dataset.scores == ((0.1, 0.9),)


def test_a_gzipped_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    plain = written(tmp_path, {"prompt": "é\u2028 ", "weak": 1, "strong": 1})
    packed = tmp_path / "labels"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_dataset(packed) == read_dataset(plain)
    assert read_dataset(plain).prompts == ("é\u2028 ",)


@pytest.mark.parametrize(
    "line,message",
    [
        ("{", ":2: not JSON: write one object a line"),
        ("[1]", ":2: not a JSON object"),
        ('{"weak": 1, "strong": 1}', ":2: prompt: missing or no text"),
        ('{"prompt": 7, "weak": 1, "strong": 1}', ":2: prompt: missing or no text"),
        ('{"prompt": "x", "strong": 1}', ":2: weak: None is no score: give true, false"),
        ('{"prompt": "x", "weak": 1.01, "strong": 1}', ":2: weak: 1.01 is no score"),
        ('{"prompt": "x", "weak": -1, "strong": 1}', ":2: weak: -1 is no score"),
        ('{"prompt": "x", "weak": "yes", "strong": 1}', ":2: weak: 'yes' is no score"),
        ('{"prompt": "x", "weak": NaN, "strong": 1}', ":2: weak: nan is no score"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_field(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"prompt": "a", "weak": 0, "strong": 1}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DatasetError) as raised:
        read_dataset(path)
    assert message in str(raised.value)


def features_of(text: str) -> dict[str, object]:
    features = extract(text)
    return {
        "version": FEATURE_VERSION,
        "dense": list(features.dense),
        "buckets": list(features.buckets),
    }


def test_features_may_stand_in_for_a_text(tmp_path: Path) -> None:
    text = "what is the capital of france?"
    path = written(
        tmp_path,
        {"features": features_of(text), "weak": 0, "strong": 1},
        {"prompt": text, "weak": 0, "strong": 1},
    )
    dataset = read_dataset(path)
    assert dataset.features() == [extract(text)] * 2
    assert dataset.lengths() == pytest.approx([len(text)] * 2)
    assert text not in dataset.prompts[0]
    assert dataset.at([0]).features() == [extract(text)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": FEATURE_VERSION + 1},
        {"dense": [1.0]},
        {"dense": None},
        {"buckets": [BUCKETS]},
        {"buckets": [-1]},
        {"buckets": ["x"]},
    ],
)
def test_features_that_cannot_be_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = written(tmp_path, {"features": features_of("x") | wrong, "weak": 0, "strong": 1})
    with pytest.raises(DatasetError, match=":1: features: want those of a decision log"):
        read_dataset(path)


def test_a_score_that_is_null_is_not_known_and_its_row_judges_nothing(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"prompt": "a", "fast": None, "standard": None, "reasoning": 1},
        {"prompt": "b", "fast": 0, "standard": None, "reasoning": 1},
    )
    dataset = read_dataset(path)
    assert dataset.tiers == (Tier.FAST, Tier.REASONING)
    assert isnan(dataset.scores[0][0])
    assert dataset.complete() == [1]


def test_one_tier_alone_is_nothing_to_route_for(tmp_path: Path) -> None:
    path = written(tmp_path, {"prompt": "a", "fast": None, "reasoning": 1})
    with pytest.raises(DatasetError, match="fewer than two tiers have a score"):
        read_dataset(path)


def test_a_bad_row_is_counted_in_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"prompt": "a", "weak": 0, "strong": 1}\n\n\n{"prompt": 1}\n', "utf-8")
    with pytest.raises(DatasetError, match=":4: prompt"):
        read_dataset(path)


def test_a_file_without_rows_columns_or_contents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="empty"):
        read_dataset(written(tmp_path))
    with pytest.raises(DatasetError, match="at least two tiers"):
        read_dataset(written(tmp_path, {"prompt": "a", "fast": 1}))
    with pytest.raises(DatasetError, match="both score fast: name one"):
        read_dataset(written(tmp_path, {"prompt": "a", "fast": 1, "weak": 1, "strong": 1}))
    with pytest.raises(DatasetError, match="cannot be read"):
        read_dataset(tmp_path / "absent.jsonl")


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8bnot gzip",
        b"\xff\xfe\x00",
        _PACKED[:20],
        _PACKED[:12] + b"\xff\xff\xff" + _PACKED[15:],
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "labels.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="cannot be read as UTF-8, plain or gzipped"):
        read_dataset(path)
