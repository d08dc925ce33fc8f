"""Measures what an exact decision costs, beside a bare gRPC echo in the same run: `make bench`.

Caps are on: month, hour and a budget, and all three rates. Figures are ratios within one run, since
absolute ones depend on the machine. `--quick` takes less than 50 s and prints as its last line one
JSON object; the full run writes `benchmarks/results/<date>.json`.
"""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from document import update_document
from growth import measure_growth
from machine import facts
from promises import measure_plan_change, measure_races
from report import print_report
from scenarios import FULL, QUICK, measure_decisions

_RESULTS = Path(__file__).with_name("results")
_REPLICAS = (1, 2, 4, 8)
_QUICK_REPLICAS = (2,)
_ACCOUNTS = 10_000
_MOST_ACCOUNTS = 100_000


def main() -> int:
    """Measures and reports; 1 where money was overspent, lost or charged twice."""
    parser = argparse.ArgumentParser(description="Measure what an exact decision costs.")
    parser.add_argument("--quick", action="store_true", help="under 50 s, less exact")
    parser.add_argument(
        "--most-accounts",
        type=int,
        default=_MOST_ACCOUNTS,
        help="up to how many accounts the store grows; 1000000 takes some minutes more",
    )
    options = parser.parse_args()
    quick: bool = options.quick
    size = QUICK if quick else FULL
    measurements = measure_decisions(size)
    races = measure_races(_QUICK_REPLICAS if quick else _REPLICAS)
    change = None if quick else measure_plan_change(accounts=_ACCOUNTS, replicas=4)
    growth = [] if quick else measure_growth(options.most_accounts)
    print_report(measurements, races, change, growth)
    if change is not None:
        _write(
            {
                "size": asdict(size),
                "measurements": [asdict(item) for item in measurements],
                "races": [asdict(race) for race in races],
                "plan_change": asdict(change),
                "growth": [asdict(item) for item in growth],
            }
        )
    by_name = {item.name: item for item in measurements}
    summary = {
        "echo_grpc_cpu_us": by_name["echo"].server_cpu_us,
        "route_grpc_cpu_us": by_name["route (grpc)"].server_cpu_us,
        "route_grpc_store_cpu_us": by_name["route (grpc)"].store_cpu_us,
        "route_fast_cpu_us": by_name["route (envoy)"].server_cpu_us,
        "route_fast_store_cpu_us": by_name["route (envoy)"].store_cpu_us,
        "batch_cpu_us": by_name["batch (envoy)"].server_cpu_us,
        "batch_store_cpu_us": by_name["batch (envoy)"].store_cpu_us,
        "overspend_nano_usd": max(race.overspend_nano_usd for race in races),
    }
    print("\n" + json.dumps(summary))
    is_exact = all(race.overspend_nano_usd == race.unaccounted_nano_usd == 0 for race in races)
    return 0 if is_exact else 1


def _write(figures: dict[str, Any]) -> None:
    """Writes the result with the machine's facts, for the tables in the documentation."""
    now = datetime.now(UTC)
    result = {"time": now.isoformat(timespec="seconds"), "machine": facts(), **figures}
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    update_document(path)
    print(f"\nwritten: {path}, and its figures into docs/performance.md")


if __name__ == "__main__":
    sys.exit(main())
