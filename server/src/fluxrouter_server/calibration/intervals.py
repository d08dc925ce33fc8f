"""Confidence intervals by the bootstrap: prompts are drawn again, the same for all rules.

The draws are from a fixed start, so that a report can be repeated. Differences between two rules
are taken draw by draw (paired), since they err on the same prompts.
"""

from collections.abc import Callable

import numpy as np

from fluxrouter_server.calibration.matrix import FloatArray
from fluxrouter_server.calibration.report import Interval

#: Enough for two digits of a 95% interval.
DRAWS = 1000

_LOW_PERCENT, _HIGH_PERCENT = 2.5, 97.5


def bootstrap(
    figures: Callable[[FloatArray], tuple[float, ...]], rows: int, *, draws: int = DRAWS
) -> tuple[Interval, ...]:
    """Return the figures of all rows, each with its interval.

    `figures` takes how often each row counts. It may raise ZeroDivisionError or ValueError for a
    draw on which its figures mean nothing; that draw is left out.
    """
    random = np.random.default_rng(0)
    values = figures(np.ones(rows))
    drawn: list[tuple[float, ...]] = []
    for _ in range(draws):
        counts = np.bincount(random.integers(0, rows, rows), minlength=rows).astype(np.float64)
        try:
            drawn.append(figures(counts))
        except (ZeroDivisionError, ValueError):
            continue
    table = np.array(drawn if drawn else [values])
    lows, highs = np.percentile(table, (_LOW_PERCENT, _HIGH_PERCENT), axis=0)
    return tuple(
        Interval(value, float(low), float(high))
        for value, low, high in zip(values, lows, highs, strict=True)
    )
