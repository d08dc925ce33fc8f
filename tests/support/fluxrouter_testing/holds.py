"""A hold as a caller sees it, for tests of what is done with one."""

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.domain.holds import Hold, HoldState
from fluxrouter_server.domain.ids import HoldId, LaneId, ModelId, RequestId
from fluxrouter_server.domain.pricing import Rates

__all__ = ["sample_hold"]


def sample_hold() -> Hold:
    """Return an admitted request for a chosen tier."""
    return Hold(
        id=HoldId("h1.1"),
        request_id=RequestId("request-1"),
        attempt=1,
        state=HoldState.ACTIVE,
        model=ModelId("fast-1"),
        lane=LaneId("express"),
        upstream="provider",
        upstream_model="fast-1-latest",
        tier=Tier.FAST,
        rates=Rates(1, 1, 1, 4),
        input_tokens=10,
        granted_output_tokens=10,
        wished_output_tokens=10,
        held_nano_usd=50,
        headroom_nano_usd=950,
        expire_us=2_000_000,
        period_end_us=3_000_000,
        would_deny="",
    )
