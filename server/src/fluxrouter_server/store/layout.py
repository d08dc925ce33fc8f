"""Whether the store's data may be decided upon: pure judgement over gathered facts.

Each shard carries an identity in its `meta` key: the layout, how shards are chosen, the clock, the
epoch (one uninterrupted life of the data) and a random marker. Every script is given the marker it
should find; absent or different means that the data it would decide upon is gone, and it answers
LOST. Which markers to expect is settled here (docs/protocol.md §1 and §9).

Who is trusted to know the markers, and why that is the safe choice:

- **Embedded store**: the witness file beside its data. A store that differs from it came back
  empty, or is another one: it stays fenced until `fluxrouter doctor --reinitialize` writes both
  anew. With neither data nor witness the store is new, and is initialised.
- **External store**: nothing outlives this process, so at its start it takes what it finds. An
  empty store is never assumed to be new: a restart after a loss would otherwise be a fresh cap for
  everybody. The operator says once that it is.
- **A running server** that finds another marker takes it only where the shard's epoch is higher
  than the one it knew: that is what an explicit reinitialisation leaves, and nothing else does. The
  same or a lower epoch with another marker is other data (a second store behind the same address,
  an older life restored): it stays fenced until somebody has looked and restarts the server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.keys import SHARD_HASH, SHARDS, USUAL_LAYOUT

__all__ = [
    "NO_MARKER",
    "ClockKind",
    "Fenced",
    "Initialise",
    "Ready",
    "ShardFacts",
    "ShardLife",
    "Verdict",
    "judge",
]

NO_MARKER: Final = "?"
"""What a script is told to expect where nothing may be trusted: no shard ever has it."""

_REMEDY: Final = (
    "Nothing is admitted until the data is restored; if it is gone for good, start anew with "
    "`fluxrouter doctor --reinitialize`, which forgets every account, counter and hold"
)
_SHARDS_NAMED: Final = 4
"""Of many shards an error names the first few."""


class ClockKind(StrEnum):
    """Whose time the scripts use."""

    REAL = "real"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class ShardLife:
    """One life of a shard's data."""

    epoch: int
    marker: str


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What a shard says of itself.

    `identity` is (layout version, number of shards, hash), None where the shard has no identity.
    `epoch` is 0 and `clock` None where there is none. `marker` is "" where the shard was never
    initialised, lost its data, or is closed by an unfinished reinitialisation (`epoch` is kept).
    """

    identity: tuple[str, str, str] | None
    clock: str | None
    epoch: int
    marker: str
    accounts: int

    @property
    def is_closed(self) -> bool:
        """Whether a reinitialisation closed it and did not come to its end."""
        return not self.marker and self.epoch > 0


@dataclass(frozen=True, slots=True)
class Ready:
    """Decide upon these lives."""

    lives: tuple[ShardLife, ...]


@dataclass(frozen=True, slots=True)
class Initialise:
    """The store is new: give every shard an identity."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """Decide nothing; the message says why and what to do."""

    message: str


Verdict: TypeAlias = Ready | Initialise | Fenced


def judge(
    facts: Sequence[ShardFacts],
    *,
    clock: ClockKind,
    trusted: tuple[ShardLife, ...] | None,
    adopt_newer: bool,
    may_initialise: bool,
    layout: str = USUAL_LAYOUT,
) -> Verdict:
    """Say whether a store with these shards may be used.

    Args:
        facts: One for each shard.
        clock: This server's.
        trusted: The lives that the shards should have: the witness file's, or those this process
            has decided upon so far. None: nothing is known yet.
        adopt_newer: Take another life with a higher epoch for an explicit reinitialisation.
        may_initialise: A store without any data is a new one.
        layout: This server's, see `HoldTiming.layout`.

    Raises:
        StoreRefused: The data has another layout or another kind of clock than this server.
    """
    for fact in facts:
        _refuse_other_layout(fact, layout)
        _refuse_other_clock(fact, clock)
    if trusted is None:
        return _judge_unknown(facts, may_initialise=may_initialise)
    changed = [
        shard
        for shard, (fact, life) in enumerate(zip(facts, trusted, strict=True))
        if fact.marker != life.marker
    ]
    is_newer = all(facts[n].marker and facts[n].epoch > trusted[n].epoch for n in changed)
    if not changed or (adopt_newer and is_newer):
        return Ready(tuple(ShardLife(fact.epoch, fact.marker) for fact in facts))
    return Fenced(_describe_change(facts, changed))


def _judge_unknown(facts: Sequence[ShardFacts], *, may_initialise: bool) -> Verdict:
    without = [shard for shard, fact in enumerate(facts) if not fact.marker]
    if not without:
        return Ready(tuple(ShardLife(fact.epoch, fact.marker) for fact in facts))
    if any(fact.is_closed for fact in facts):
        return Fenced(_UNFINISHED)
    if any(fact.accounts for fact in facts):
        return Fenced(f"The store has accounts, but {_name(without)} lost its data. {_REMEDY}")
    if may_initialise:
        return Initialise()
    return Fenced(
        "The store is empty, and nothing tells whether it is new or lost its data. If it is new, "
        "say so once with `fluxrouter doctor --reinitialize`; if not, restore its data first"
    )


_UNFINISHED: Final = (
    "A reinitialisation of the store did not come to its end: repeat "
    "`fluxrouter doctor --reinitialize`"
)


def _describe_change(facts: Sequence[ShardFacts], changed: list[int]) -> str:
    if any(facts[shard].is_closed for shard in changed):
        return _UNFINISHED
    if any(facts[shard].marker for shard in changed):
        return (
            f"The store holds other data than this server decided upon: {_name(changed)} has "
            "another marker. Check that the store's URL or data directory is the right one, then "
            f"restart the server. {_REMEDY}"
        )
    return f"The store lost its data: {_name(changed)} is empty. {_REMEDY}"


def _name(shards: list[int]) -> str:
    if len(shards) == SHARDS:
        return "every shard"
    named = ", ".join(f"{shard:02x}" for shard in shards[:_SHARDS_NAMED])
    more = f" and {len(shards) - _SHARDS_NAMED} more" if len(shards) > _SHARDS_NAMED else ""
    return f"shard {named}{more}"


def _refuse_other_layout(fact: ShardFacts, layout: str) -> None:
    ours = (layout, str(SHARDS), SHARD_HASH)
    if fact.identity is None or fact.identity == ours:
        return
    if (_version(fact.identity[0]), *fact.identity[1:]) == (_version(layout), *ours[1:]):
        raise StoreRefused(
            f"the store's servers use {_spans(fact.identity[0])}; this one has {_spans(layout)}: "
            "give it theirs, or stop them all and change the store with "
            "`fluxrouter doctor --change-spans`"
        )
    theirs = "layout {}, {} shards by {}".format(*fact.identity)
    raise StoreRefused(
        f"the store's data has {theirs}; this server uses "
        f"{'layout {}, {} shards by {}'.format(*ours)}: run the server version that wrote it, or "
        "give this server a store of its own"
    )


def _refuse_other_clock(fact: ShardFacts, clock: ClockKind) -> None:
    if fact.clock is None or fact.clock == clock:
        return
    raise StoreRefused(
        f"the store was initialised for a {fact.clock} clock and this server runs on a {clock} "
        "one, and what was counted by one clock cannot be decided upon by the other: give this "
        f"server a store of its own, or a {fact.clock} clock"
    )


def _version(layout: str) -> str:
    return layout.partition("/")[0]


def _spans(layout: str) -> str:
    """The spans of a layout, for people."""
    replay, life, late = layout.split("/")[1:] or ("3600",) * 3
    return (
        f"--replay-window-seconds {replay} --max-hold-life-seconds {life} "
        f"--late-window-seconds {late}"
    )
