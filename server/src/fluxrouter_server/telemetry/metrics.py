"""All metrics of the server: their names, their help and their labels, in this one place.

Counts are plain integers until somebody scrapes. Labels come from small closed sets (methods,
reasons, states, lanes), never from names of accounts or keys, so that no caller can make the series
grow; a bound enforces it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from fluxrouter_server.services.ports.telemetry import Counter, Measure
from fluxrouter_server.telemetry.call_stats import BUCKET_BOUNDS_SECONDS, CallStats

__all__ = ["Gauge", "ServerMetrics"]

#: More values than any closed set has; what comes beyond is counted as `other`.
_MAX_LABEL_VALUES: Final = 200
_OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class _Declared:
    """A counter's name without `_total`, its help, and the name of its label if it has one."""

    name: str
    help: str
    label: str | None = None


_COUNTERS: Final = {
    Counter.ADMITTED: _Declared("fluxrouter_admissions", "Requests admitted.", "lane"),
    Counter.REPLAYED: _Declared("fluxrouter_replays", "Requests answered as they were before."),
    Counter.DENIED: _Declared("fluxrouter_denials", "Requests refused.", "reason"),
    Counter.WOULD_DENY: _Declared(
        "fluxrouter_observed_denials",
        "Requests admitted under `observe` that would have been refused.",
        "reason",
    ),
    Counter.TIER_CHOSEN: _Declared(
        "fluxrouter_tier_choices", "Admitted requests whose tier was chosen.", "tier"
    ),
    Counter.SHADOW_CHOICE: _Declared(
        "fluxrouter_shadow_tier_choices",
        "Those that a shadow policy judged too, by the tier chosen and the shadow's.",
        "tiers",
    ),
    Counter.STALE: _Declared(
        "fluxrouter_stale_decisions", "Decisions repeated because a document had changed."
    ),
    Counter.ENDED_HOLDS: _Declared("fluxrouter_ended_holds", "Holds ended by a call.", "state"),
    Counter.BILLED_NANO_USD: _Declared("fluxrouter_billed_nano_usd", "Money charged."),
    Counter.ABSORBED_NANO_USD: _Declared(
        "fluxrouter_absorbed_nano_usd", "Cost above what could be billed."
    ),
    Counter.UNKNOWN_OUTCOMES: _Declared(
        "fluxrouter_unknown_outcomes", "Admissions without an answer from the store."
    ),
    Counter.UNKNOWN_OUTCOMES_CLEARED: _Declared(
        "fluxrouter_cleared_unknown_outcomes", "Those that were given back."
    ),
    Counter.UNKNOWN_OUTCOMES_DROPPED: _Declared(
        "fluxrouter_dropped_unknown_outcomes", "Those that were too many and end by expiry."
    ),
    Counter.SWEPT_HOLDS: _Declared("fluxrouter_swept_holds", "Overdue holds ended.", "state"),
    Counter.SWEEP_FAILURES: _Declared("fluxrouter_sweep_failures", "Sweeps that failed."),
    Counter.FINISHED_FAN_OUTS: _Declared(
        "fluxrouter_finished_fan_outs", "Writes of others that were brought to every shard."
    ),
    Counter.EDGE_ANSWERS: _Declared(
        "fluxrouter_edge_answers",
        "Requests of the HTTP edge by the status of their answer; 499: the caller left.",
        "status",
    ),
    Counter.UPSTREAM_FAILURES: _Declared(
        "fluxrouter_upstream_failures", "Calls of the edge that no upstream answered.", "upstream"
    ),
}
_MEASURES: Final = {
    Measure.SWEEP_SECONDS: _Declared("fluxrouter_sweep_duration_seconds", "Time of a sweep."),
}
_CALLS: Final = _Declared("fluxrouter_calls", "Calls ended, by gRPC status code.")
_CALLS_IN_FLIGHT: Final = _Declared("fluxrouter_calls_in_flight", "Calls begun and not ended.")
_CALL_DURATION: Final = _Declared("fluxrouter_call_duration_seconds", "Time of a call.")
_BUILD: Final = _Declared("fluxrouter_build", "What runs.")


class Gauge(Enum):
    """A value that is read when somebody scrapes."""

    STORE_UP = _Declared(
        "fluxrouter_store_up", "1 where a decision made now would reach the store."
    )
    LEDGER_BACKLOG = _Declared(
        "fluxrouter_ledger_backlog_entries", "Entries that wait in the store for the ledger."
    )
    LEDGER_LAG = _Declared("fluxrouter_ledger_lag_seconds", "Age of the oldest of them.")
    UNKNOWN_OUTCOMES_PENDING = _Declared(
        "fluxrouter_pending_unknown_outcomes", "Admissions that are still to be given back."
    )


class ServerMetrics(Collector):
    """Implements the port `Telemetry`, keeps the statistics of calls, and writes all of it out.

    Args:
        version: What runs, for `fluxrouter_build_info`.
        code_names: Names of gRPC's status codes, by their numbers.
    """

    def __init__(self, *, version: str, code_names: Sequence[str]) -> None:
        self._version = version
        self._code_names = code_names
        self._counts: dict[Counter, dict[str, int]] = {name: defaultdict(int) for name in _COUNTERS}
        self._measures = {measure: CallStats(measure) for measure in _MEASURES}
        self._calls: list[CallStats] = []
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def count(self, counter: Counter, amount: int = 1, *, label: str = "") -> None:
        """Adds to a counter."""
        counts = self._counts[counter]
        if label not in counts and len(counts) >= _MAX_LABEL_VALUES:
            label = _OTHER
        counts[label] += amount

    def observe(self, measure: Measure, value: float) -> None:
        """Adds one observation."""
        stats = self._measures[measure]
        stats.in_flight += 1
        stats.end(0, value)

    def call_stats(self, method: str) -> CallStats:
        """Returns where the calls of a method are counted; ask once for each method."""
        stats = CallStats(method)
        self._calls.append(stats)
        return stats

    def add_gauge(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Has a value read at each scrape."""
        self._gauges.append((gauge, read))

    def exposition(self) -> bytes:
        """Returns all metrics as Prometheus reads them (text format 0.0.4)."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics, for the registry."""
        yield InfoMetricFamily(_BUILD.name, _BUILD.help, {"version": self._version})
        yield from self._collect_counters()
        yield from self._collect_calls()
        for gauge, read in self._gauges:
            yield GaugeMetricFamily(gauge.value.name, gauge.value.help, value=read())
        for measure, declared in _MEASURES.items():
            family = HistogramMetricFamily(declared.name, declared.help)
            _add_histogram(family, (), self._measures[measure])
            yield family

    def _collect_counters(self) -> Iterator[Metric]:
        for counter, declared in _COUNTERS.items():
            counts = self._counts[counter]
            if declared.label is None:
                yield CounterMetricFamily(declared.name, declared.help, value=sum(counts.values()))
                continue
            family = CounterMetricFamily(declared.name, declared.help, labels=(declared.label,))
            for label, value in counts.items():
                family.add_metric((label,), value)
            yield family

    def _collect_calls(self) -> Iterator[Metric]:
        ended = CounterMetricFamily(_CALLS.name, _CALLS.help, labels=("method", "code"))
        in_flight = GaugeMetricFamily(
            _CALLS_IN_FLIGHT.name, _CALLS_IN_FLIGHT.help, labels=("method",)
        )
        durations = HistogramMetricFamily(
            _CALL_DURATION.name, _CALL_DURATION.help, labels=("method",)
        )
        for stats in self._calls:
            for code, count in enumerate(stats.ended):
                if count:
                    ended.add_metric((stats.method, self._code_names[code]), count)
            in_flight.add_metric((stats.method,), stats.in_flight)
            _add_histogram(durations, (stats.method,), stats)
        yield from (ended, in_flight, durations)


def _add_histogram(family: HistogramMetricFamily, labels: Sequence[str], stats: CallStats) -> None:
    buckets = []
    cumulative = 0
    for bound, count in zip((*map(str, BUCKET_BOUNDS_SECONDS), "+Inf"), stats.buckets, strict=True):
        cumulative += count
        buckets.append((bound, cumulative))
    family.add_metric(labels, buckets=buckets, sum_value=stats.seconds)
