from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from fluxrouter_server.services.ports.telemetry import Counter, Measure
from fluxrouter_server.telemetry.metrics import Gauge, ServerMetrics


def metrics() -> ServerMetrics:
    return ServerMetrics(version="1.2.3", code_names=["OK", *(f"CODE_{n}" for n in range(1, 17))])


def samples(of: ServerMetrics) -> Mapping[str, float]:
    """Every sample by its name and labels, as a scraper reads it."""
    found = {}
    for family in text_string_to_metric_families(of.exposition().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_whatever_the_use_cases_count_can_be_scraped() -> None:
    counted = metrics()
    before = samples(counted)
    for counter in Counter:
        counted.count(counter, 3, label="x")
    after = samples(counted)
    changed = [name for name in after if after[name] != before.get(name, 0)]
    assert sum(1 for name in changed if name.startswith("fluxrouter_")) == len(Counter)


def test_counters_are_named_alike() -> None:
    counted = metrics()
    for counter in Counter:
        counted.count(counter)
    families = text_string_to_metric_families(counted.exposition().decode())
    counters = [family.name for family in families if family.type == "counter"]
    ours = [name for name in counters if not name.startswith(("process_", "python_"))]
    assert all(name.startswith("fluxrouter_") for name in ours)
    assert len(ours) == len(Counter) + 1  # and the calls


def test_a_label_tells_what_was_counted() -> None:
    counted = metrics()
    counted.count(Counter.DENIED, label="CAP_REACHED")
    counted.count(Counter.DENIED, 2, label="RATE_LIMITED")
    scraped = samples(counted)
    assert scraped["fluxrouter_denials_total{reason=CAP_REACHED}"] == 1
    assert scraped["fluxrouter_denials_total{reason=RATE_LIMITED}"] == 2


def test_labels_cannot_make_the_series_grow_without_bound() -> None:
    counted = metrics()
    for number in range(1000):
        counted.count(Counter.ADMITTED, label=f"lane-{number}")
    lanes = {name: n for name, n in samples(counted).items() if "admissions_total" in name}
    assert len(lanes) <= 201
    assert sum(lanes.values()) == 1000


def test_a_call_is_counted_by_its_status_and_its_time() -> None:
    counted = metrics()
    stats = counted.call_stats("pkg.Service/Method")
    for code, seconds in ((0, 0.0001), (0, 0.003), (8, 60.0)):
        stats.in_flight += 1
        stats.end(code, seconds)
    scraped = samples(counted)
    assert scraped["fluxrouter_calls_total{code=OK,method=pkg.Service/Method}"] == 2
    assert scraped["fluxrouter_calls_total{code=CODE_8,method=pkg.Service/Method}"] == 1
    bucket = "fluxrouter_call_duration_seconds_bucket{{le={},method=pkg.Service/Method}}"
    assert scraped[bucket.format("0.0005")] == 1
    assert scraped[bucket.format("0.005")] == 2
    assert scraped[bucket.format("10.0")] == 2
    assert scraped[bucket.format("+Inf")] == 3
    assert scraped["fluxrouter_calls_in_flight{method=pkg.Service/Method}"] == 0


def test_a_duration_on_a_bound_belongs_below_it() -> None:
    counted = metrics()
    stats = counted.call_stats("m")
    stats.in_flight += 1
    stats.end(0, 0.001)
    assert samples(counted)["fluxrouter_call_duration_seconds_bucket{le=0.001,method=m}"] == 1


def test_gauges_are_read_at_each_scrape() -> None:
    counted = metrics()
    values = iter((1.0, 0.0))
    counted.add_gauge(Gauge.STORE_UP, lambda: next(values))
    assert samples(counted)["fluxrouter_store_up{}"] == 1
    assert samples(counted)["fluxrouter_store_up{}"] == 0


def test_measures_become_histograms() -> None:
    counted = metrics()
    for measure in Measure:
        counted.observe(measure, 0.25)
    assert samples(counted)["fluxrouter_sweep_duration_seconds_sum{}"] == 0.25


def test_what_runs_is_told() -> None:
    assert samples(metrics())["fluxrouter_build_info{version=1.2.3}"] == 1
