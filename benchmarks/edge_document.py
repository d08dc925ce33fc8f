"""Writes the edge's figures into `docs/performance.md`, between two marks."""

import json
from pathlib import Path
from typing import Any

__all__ = ["update_document"]

_DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_BEGIN = "<!-- edge: written by `make bench-edge` -->\n"
_END = "<!-- end of edge -->\n"


def update_document(result: Path) -> None:
    """Replaces the figures by those of a result file."""
    before, _, rest = _DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    found = json.loads(result.read_text(encoding="utf-8"))
    _DOCUMENT.write_text(f"{before}{_BEGIN}{_figures(found)}{_END}{after}", encoding="utf-8")


def _figures(result: dict[str, Any]) -> str:
    machine, summary = result["machine"], result["summary"]
    lines = [
        (
            f"{result['time'][:10]}, {machine['cores']} cores of {machine['processor']}, "
            f"Python {machine['python']}; {result['chunks']} chunks a streamed answer."
        ),
        "",
        "| what | connections | requests/s | p50 ms | p99 ms | CPU µs a request |",
        "|---|---|---|---|---|---|",
    ]
    for load in result["loads"]:
        cpu = f"{load['cpu_us']:.0f}" if load["cpu_us"] else "–"
        lines.append(
            f"| {load['name']} | {load['connections']} | {load['requests_per_second']:.0f} "
            f"| {load['p50_ms']:.2f} | {load['p99_ms']:.2f} | {cpu} |"
        )
    lines += [
        "",
        _sentence("Waiting for the disk as little as LiteLLM's Valkey does", summary, "edge"),
        _sentence("With every decision on disk first", summary, "edge_synced"),
        f"A chunk costs {summary['edge_chunk_cpu_us']:.0f} µs of CPU.",
        "",
        f"| a budget of ${result['budget_usd']} | replicas | clients at once | spent |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {item['name']} | {item['replicas']} | {item['clients']} | ${item['spent_usd']} |"
        for item in result["overspends"]
    ]
    return "\n".join(lines) + "\n"


def _sentence(how: str, summary: dict[str, float], prefix: str) -> str:
    throughput = summary[f"{prefix}_throughput_ratio"]
    ratio, added = summary[f"{prefix}_added_p50_ratio"], summary[f"{prefix}_added_p50_ms"]
    return (
        f"{how}, the edge serves {throughput:.0f} × the requests and adds {added:.2f} ms to the "
        f"median, 1/{ratio:.0f} of what LiteLLM adds."
    )
