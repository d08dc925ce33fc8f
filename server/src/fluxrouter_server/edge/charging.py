"""What a request is charged for: what the upstream tells, and an estimate where it tells nothing.

The estimate is for answers that broke off, were left by their caller, or come without a usage. It
takes four bytes for a token, the usual average, or one token for each event where that is more, and
never more than was held.
"""

from typing import Final

from fluxrouter_server.dialects.dialect import StreamMeter
from fluxrouter_server.domain.holds import Hold
from fluxrouter_server.domain.pricing import Usage

__all__ = ["BYTES_PER_TOKEN", "estimated_usage", "metered_usage"]

BYTES_PER_TOKEN: Final = 4


def estimated_usage(
    hold: Hold, *, choices: int, size_bytes: int, output_bytes: int, deltas: int = 0
) -> Usage:
    """Return an estimate.

    Args:
        hold: What was granted.
        choices: Answers that were asked for.
        size_bytes: Bytes of the request.
        output_bytes: Bytes of the answer so far.
        deltas: Events of the answer so far.
    """
    told = max(deltas, -(-output_bytes // BYTES_PER_TOKEN))
    return Usage(
        input_tokens=min(hold.input_tokens, -(-size_bytes // BYTES_PER_TOKEN)),
        cached_input_tokens=0,
        cache_write_tokens=0,
        output_tokens=min(hold.granted_output_tokens * choices, told),
    )


def metered_usage(hold: Hold, meter: StreamMeter, *, choices: int, size_bytes: int) -> Usage:
    """Return what a stream came to, however it ended."""
    if meter.usage is not None:
        return meter.usage
    guess = estimated_usage(
        hold,
        choices=choices,
        size_bytes=size_bytes,
        output_bytes=meter.output_bytes,
        deltas=meter.deltas,
    )
    known = meter.input_usage
    if known is None:
        return guess
    return Usage(
        known.input_tokens,
        known.cached_input_tokens,
        known.cache_write_tokens,
        guess.output_tokens,
    )
