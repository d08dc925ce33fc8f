"""Runs a script on one account: its keys, what every such script is told first, and refusals.

This is the hot path of every decision, so it does by hand what `ShardCalls` does in general.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from fluxrouter_server.domain.ids import AccountUid, PlanName
from fluxrouter_server.services.ports.errors import StoreRefused, StoreUnavailable
from fluxrouter_server.store.clock import ScriptClock
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.keys import account_keys, script_keys
from fluxrouter_server.store.replies import Argument
from fluxrouter_server.store.scripts import ScriptLibrary
from fluxrouter_server.store.shard_calls import ScriptRunner, ShardLives

__all__ = ["Answer", "HoldCalls"]

Answer = list[Any]
"""What a script answered: its verdict, the store's time, and what belongs to the verdict.

The shape of each is in the script's header; elements are numbers and bytes."""

_MOST_BUCKET_TRIES: Final = 4
_BACKLOG_RETRY_US: Final = 1_000_000
_REFUSALS: Final = frozenset({b"LOST", b"LAYOUT", b"CLOCK", b"LATE", b"BACKLOG"})


class HoldCalls:
    """Runs scripts by name.

    Args:
        client: Sends them.
        scripts: All there are.
        lives: Which data each shard should hold.
        clock: Given to scripts, and told by them.
        timing: What the scripts are told about spans.
    """

    def __init__(
        self,
        client: ScriptRunner,
        scripts: ScriptLibrary,
        *,
        lives: ShardLives,
        clock: ScriptClock,
        timing: HoldTiming,
    ) -> None:
        self._client = client
        self._scripts: Mapping[str, Any] = dict(scripts)
        self._lives = lives
        self._clock = clock
        self._window_us = timing.replay_window_us
        self._layout = timing.layout
        # As texts, which is what each call would make of them.
        self._spans = (
            str(timing.replay_window_us), str(timing.max_hold_life_us), str(timing.late_window_us),
        )  # fmt: skip
        self._top_buckets: dict[int, int] = {}

    async def run(
        self, script: str, uid: AccountUid, plan: PlanName | None, args: tuple[Argument, ...]
    ) -> Answer:
        """Run a script on an account.

        Args:
            script: Its name.
            uid: The account.
            plan: Today's plan of the account, for scripts that compare documents.
            args: Its arguments from the ninth on.

        Raises:
            StoreUnavailable: No answer, the shard lost its data, or admission has stopped there.
            StoreRefused: The shard's data has another layout or clock.
        """
        shard = account_keys(uid).shard
        bucket = max(self._clock.now_us() // self._window_us, self._top_buckets.get(shard, 0))
        for _ in range(_MOST_BUCKET_TRIES):
            told = (
                self._layout, self._lives.markers[shard], self._clock.argument(), uid, bucket,
                *self._spans, *args,
            )  # fmt: skip
            reply: Any = await self._client.evaluate(
                self._scripts[script], script_keys(uid, plan, bucket), told
            )
            verdict = reply[0]
            if verdict in _REFUSALS:
                self._refuse(shard, reply)
            self._clock.observe(reply[1])
            if verdict != b"BUCKET":
                return reply  # type: ignore[no-any-return]
            # The estimate of the time was off by a bucket's end, or the store's clock was set back.
            bucket = reply[2]
            self._top_buckets[shard] = bucket
        raise StoreUnavailable(
            f"shard {shard:02x} of the store: its clock jumps; nothing was decided",
            outcome_unknown=False,
        )

    def _refuse(self, shard: int, reply: Answer) -> NoReturn:
        match reply:
            case [b"LOST", *_]:
                raise self._lives.report_lost(shard)
            case [b"LATE", int(store_us)]:
                self._clock.observe(store_us)
                raise StoreUnavailable(
                    "the request reached the store after its deadline and was not admitted; "
                    "try again",
                    outcome_unknown=False,
                )
            case [b"BACKLOG", int(store_us), int(entries), int(lag_ms)]:
                self._clock.observe(store_us)
                raise StoreUnavailable(
                    f"shard {shard:02x} of the store has {entries} ledger entries that nobody took "
                    f"yet, the oldest for {lag_ms // 1000} s, so nothing is admitted; see that the "
                    "ledger's database and worker run (--ledger-max-lag-seconds is the bound)",
                    outcome_unknown=False,
                    retry_after_us=_BACKLOG_RETRY_US,
                    for_callers="nothing is admitted until the ledger has caught up; what runs is "
                    "settled as usual",
                )
            case _:
                what, found = reply[0].decode().lower(), reply[1].decode(errors="replace")
                raise StoreRefused(
                    f"shard {shard:02x} of the store has {what} {found!r}, which this server was "
                    "not started for: restart it, and see `fluxrouter doctor`"
                )
