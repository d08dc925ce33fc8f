"""One exposition out of several."""

import pytest

from fluxrouter_server.services.ports.telemetry import Counter
from fluxrouter_server.telemetry.merged_metrics import merged, only_counts
from fluxrouter_server.telemetry.metrics import Gauge, ServerMetrics

CODES = [str(number) for number in range(17)]


def exposition(admitted: int, lane: str = "express") -> bytes:
    metrics = ServerMetrics(version="1", code_names=CODES)
    metrics.count(Counter.ADMITTED, admitted, label=lane)
    metrics.add_gauge(Gauge.STORE_UP, lambda: 1.0)
    metrics.add_gauge(Gauge.UNKNOWN_OUTCOMES_PENDING, lambda: 2.0)
    stats = metrics.call_stats("Service/Method")
    stats.in_flight += 1
    stats.end(0, 0.003)
    return metrics.exposition()


def value(text: bytes, sample: str) -> float:
    (line,) = [line for line in text.decode().splitlines() if line.startswith(f"{sample} ")]
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize(
    "sample, expected",
    [
        ('fluxrouter_admissions_total{lane="express"}', 12),
        ("fluxrouter_pending_unknown_outcomes", 4),
        ("fluxrouter_store_up", 1),
        ('fluxrouter_build_info{version="1"}', 1),
        ('fluxrouter_call_duration_seconds_count{method="Service/Method"}', 2),
    ],
)
def test_counts_and_gauges_are_summed_and_descriptions_are_not(
    sample: str, expected: float
) -> None:
    assert value(merged([exposition(5), exposition(7)]), sample) == expected


def test_a_sample_that_only_one_has_stands_with_its_family() -> None:
    text = merged([exposition(5), exposition(7, lane="deep-thought")]).decode()
    lines = [line for line in text.splitlines() if "fluxrouter_admissions" in line]
    assert [line.partition(" ")[0] for line in lines] == [
        "#",
        "#",
        'fluxrouter_admissions_total{lane="express"}',
        'fluxrouter_admissions_total{lane="deep-thought"}',
    ]
    assert text.count("# TYPE fluxrouter_admissions_total counter") == 1


def test_of_a_process_that_has_ended_only_counts_are_kept() -> None:
    text = only_counts(exposition(5))
    assert value(text, 'fluxrouter_admissions_total{lane="express"}') == 5
    assert b"process_" not in text
    assert b"fluxrouter_store_up" not in text


def test_nothing_is_merged_into_nothing() -> None:
    assert value(merged([b"", exposition(5)]), 'fluxrouter_admissions_total{lane="express"}') == 5
