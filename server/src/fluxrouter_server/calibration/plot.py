"""Draws the curves of a report as an SVG picture, with nothing but text."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from fluxrouter_server.calibration.report import Report

_WIDTH, _HEIGHT = 640, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 620, 40, 360
_TICKS = 5


@dataclass(frozen=True, slots=True)
class _Line:
    """A curve, and how it is drawn."""

    accuracies: Sequence[float]
    colour: str
    dash: str
    label: str


def plot_svg(report: Report) -> str:
    """Return the accuracy over the share of strong calls: of the model, of length and of chance."""
    values = [
        value
        for point in report.points
        for value in (point.accuracy, point.length_accuracy, point.random_accuracy)
    ]
    low = min(values)
    span = (max(values) - low) or 1.0
    lines = (
        _Line([p.random_accuracy for p in report.points], "#888888", "2 4", "random"),
        _Line([p.length_accuracy for p in report.points], "#c05000", "6 4", "prompt length"),
        _Line([p.accuracy for p in report.points], "#0050b0", "none", "model"),
    )
    shares = [point.share for point in report.points]
    view = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="14">{escape(_title(report))}</text>',
        *_axes(low, span),
    ]
    for place, line in enumerate(lines):
        heights = [(accuracy - low) / span for accuracy in line.accuracies]
        parts += _drawn(line, shares, heights, place)
    return "\n".join((*parts, "</svg>\n"))


def _drawn(
    line: _Line, shares: Sequence[float], heights: Sequence[float], place: int
) -> tuple[str, ...]:
    """Return a curve and its entry in the legend."""
    path = " ".join(
        f"{_x(share):.1f},{_y(height):.1f}" for share, height in zip(shares, heights, strict=True)
    )
    style = f'fill="none" stroke="{line.colour}" stroke-width="2" stroke-dasharray="{line.dash}"'
    y = _BOTTOM - 60 + 18 * place
    return (
        f'<polyline points="{path}" {style}/>',
        f'<line x1="430" y1="{y}" x2="460" y2="{y}" {style}/>',
        f'<text x="468" y="{y + 4}">{escape(line.label)}</text>',
    )


def _title(report: Report) -> str:
    return f"{report.model}: APGR {report.apgr}, length {report.length_apgr.value:.3f}"


def _axes(low: float, span: float) -> list[str]:
    """Return frame, ticks and names of both axes."""
    middle_x, middle_y = (_LEFT + _RIGHT) // 2, (_TOP + _BOTTOM) // 2
    frame = f'x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}"'
    centred = 'text-anchor="middle"'
    upright = f'transform="rotate(-90 16 {middle_y})"'
    parts = [
        f'<rect {frame} fill="none" stroke="black"/>',
        f'<text x="{middle_x}" y="{_BOTTOM + 40}" {centred}>share sent to the dearest tier</text>',
        f'<text x="16" y="{middle_y}" {centred} {upright}>accuracy</text>',
    ]
    for tick in range(_TICKS + 1):
        part = tick / _TICKS
        x, y, accuracy = _x(part), _y(part) + 4, low + span * part
        parts += (
            f'<text x="{x:.1f}" y="{_BOTTOM + 18}" {centred}>{part:.0%}</text>',
            f'<text x="{_LEFT - 6}" y="{y:.1f}" text-anchor="end">{accuracy:.3f}</text>',
        )
    return parts


def _x(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _y(part: float) -> float:
    return _BOTTOM - part * (_BOTTOM - _TOP)
