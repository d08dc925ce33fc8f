"""Tables for people."""

from growth import Growth
from measure import Measurement
from promises import PlanChange, Race

from fluxrouter_server.cli.output import print_table


def print_report(
    measurements: list[Measurement],
    races: list[Race],
    change: PlanChange | None,
    growth: list[Growth],
) -> None:
    """Prints each measurement with its ratio to the echo, which comes first."""
    echo = measurements[0].server_cpu_us
    print_table(
        ("WHAT", "CALLS/S", "P50 MS", "P99 MS", "SERVER CPU µS", "STORE CPU µS", "SERVER : ECHO"),
        [
            (
                item.name,
                f"{item.calls_per_second:.0f}",
                f"{item.p50_ms:.2f}",
                f"{item.p99_ms:.2f}",
                f"{item.server_cpu_us:.0f}",
                f"{item.store_cpu_us:.0f}" if item.store_cpu_us else "-",
                f"{item.server_cpu_us / echo:.2f} ×",
            )
            for item in measurements
        ],
    )
    print()
    print_table(
        ("REPLICAS ON ONE DOLLAR", "OVERSPEND NANO-USD", "LOST OR DOUBLE NANO-USD"),
        [
            (str(race.replicas), str(race.overspend_nano_usd), str(race.unaccounted_nano_usd))
            for race in races
        ],
    )
    if change is not None:
        print(
            f"\nA plan of {change.accounts} accounts changed and was enforced on"
            f" {change.replicas} replicas in {change.p50_ms} ms (worst {change.worst_ms} ms)."
        )
    if growth:
        print()
        print_table(
            ("ACCOUNTS", "P50 MS", "P99 MS", "STORE BYTES AN ACCOUNT"),
            [
                (
                    str(item.accounts),
                    f"{item.p50_ms:.2f}",
                    f"{item.p99_ms:.2f}",
                    str(item.store_bytes_an_account),
                )
                for item in growth
            ],
        )
