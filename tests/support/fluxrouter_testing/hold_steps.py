"""What callers do in the stateful test, as strategies."""

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_testing.hold_documents import candidate
from fluxrouter_testing.hold_world import EDGE

__all__ = [
    "Ask",
    "Touch",
    "asks",
    "attempts",
    "calls",
    "labels",
    "offers",
    "requests",
    "touches",
    "usages",
]

_THIEF: Final = Principal("service/other")
_LABELS: Final[list[dict[str, str]]] = [{}, {"team": "search"}, {"team": "search", "env": "ci"}]
_OFFERS: Final = [
    (candidate(),),
    (candidate("dear", input_tokens=3_000, output_tokens=2_000), candidate(output_tokens=500)),
    (candidate(input_tokens=10, output_tokens=40, choices=3),),
]
_USAGES: Final = [
    Usage(0, 0, 0, 0),
    Usage(900, 50, 50, 300),
    Usage(1_000, 0, 0, 1_000),
    Usage(5_000, 0, 0, 9_000),
]

requests = st.sampled_from(["r0", "r1", "r2", "r3"])
attempts = st.sampled_from([1, 1, 1, 2, 3])
calls = st.sampled_from(["", "x", "y"])
labels = st.sampled_from(_LABELS)
offers = st.sampled_from(_OFFERS)
usages = st.sampled_from(_USAGES)
_seldom = st.sampled_from([False] * 7 + [True])
# Counted from the latest hold, since most of the others are forgotten.
_places = st.one_of(st.integers(0, 2), st.integers(0, 2), st.integers(0, 10_000))


@dataclass(frozen=True)
class Ask:
    """A request that may be known already. `key` is the place of the secret that it comes with."""

    request: str
    attempt: int
    labels: dict[str, str]
    key: int | None
    offers: tuple[Candidate, ...]
    call: str
    has_other_body: bool
    has_old_documents: bool
    has_old_proposal: bool


@dataclass(frozen=True)
class Touch:
    """Somebody wants to end or extend a hold: the one of that place, from the latest back."""

    place: int
    is_thief: bool
    has_old_documents: bool

    @property
    def principal(self) -> Principal:
        """Who it is."""
        return _THIEF if self.is_thief else EDGE


asks = st.builds(
    Ask,
    request=requests,
    attempt=attempts,
    labels=labels,
    key=st.sampled_from([None, 0, 0, 1]),
    offers=offers,
    call=calls,
    has_other_body=_seldom,
    has_old_documents=_seldom,
    has_old_proposal=_seldom,
)
touches = st.builds(Touch, place=_places, is_thief=_seldom, has_old_documents=_seldom)
