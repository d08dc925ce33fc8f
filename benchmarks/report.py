"""Tables for people."""

from measure import Measurement

from fluxrouter_server.cli.output import print_table


def print_report(measurements: list[Measurement], overspend: dict[str, int]) -> None:
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
        ("REPLICAS ON ONE DOLLAR", "OVERSPEND NANO-USD"),
        [(replicas, str(amount)) for replicas, amount in overspend.items()],
    )
