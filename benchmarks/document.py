"""Writes the figures of a full run into `docs/performance.md`, between two marks."""

import json
from pathlib import Path
from typing import Any

_DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_BEGIN = "<!-- figures: written by `make bench` -->\n"
_END = "<!-- end of figures -->\n"


def update_document(result: Path) -> None:
    """Replaces the figures by those of a result file."""
    before, _, rest = _DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    found = json.loads(result.read_text(encoding="utf-8"))
    text = f"{before}{_BEGIN}{_figures(found)}{_END}{after}"
    _DOCUMENT.write_text(text, encoding="utf-8")


def _figures(result: dict[str, Any]) -> str:
    machine, measurements = result["machine"], result["measurements"]
    echo = measurements[0]["server_cpu_us"]
    lines = [
        (
            f"{result['time'][:10]}, {machine['cores']} cores of {machine['processor']}, "
            f"Python {machine['python']}, grpcio {machine['grpcio']}."
        ),
        "",
        "| what | decisions/s | p50 ms | p99 ms | server CPU µs | store CPU µs | server : echo |",
        "|---|---|---|---|---|---|---|",
    ]
    for item in measurements:
        store = f"{item['store_cpu_us']:.0f}" if item["store_cpu_us"] else "–"
        lines.append(
            f"| {item['name']} | {item['calls_per_second']:.0f} | {item['p50_ms']:.1f} "
            f"| {item['p99_ms']:.1f} | {item['server_cpu_us']:.0f} | {store} "
            f"| {item['server_cpu_us'] / echo:.2f} × |"
        )
    return "\n".join((*lines, "", *_promises(result), "", *_growth(result["growth"]))) + "\n"


def _promises(result: dict[str, Any]) -> list[str]:
    change, races = result["plan_change"], result["races"]
    worst = max(race["overspend_nano_usd"] for race in races)
    unaccounted = max(abs(race["unaccounted_nano_usd"]) for race in races)
    replicas = ", ".join(str(race["replicas"]) for race in races)
    race = f"{replicas} replicas on one dollar: {worst} nano-USD overspent"
    who = f"A plan of {change['accounts']} accounts changed and was enforced on"
    when = f"in {change['p50_ms']} ms, at worst in {change['worst_ms']} ms."
    return [
        f"{race}, {unaccounted} lost or charged twice.",
        f"{who} {change['replicas']} replicas {when}",
    ]


def _growth(growth: list[dict[str, Any]]) -> list[str]:
    return [
        "| accounts | p50 ms | p99 ms | store bytes an account |",
        "|---|---|---|---|",
        *(
            f"| {item['accounts']:,} | {item['p50_ms']:.1f} | {item['p99_ms']:.1f} "
            f"| {item['store_bytes_an_account']} |"
            for item in growth
        ),
    ]
