"""What an operator does in the stateful test of holds: corrections, in any month, at any moment."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from fluxrouter_server.domain.adjustments import Adjusted
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import KeyName
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.services.ports.adjusting import Elsewhere
from fluxrouter_server.services.ports.holds import Stale
from fluxrouter_server.services.ports.ledger import NumberedPeriod
from fluxrouter_testing.hold_changes import KEY_NAME
from fluxrouter_testing.hold_model import HoldModel
from fluxrouter_testing.hold_model_choice import levels_of
from fluxrouter_testing.hold_steps import labels
from fluxrouter_testing.hold_world import HoldWorld

__all__ = ["OperatorRules", "assert_denied"]

_AMOUNTS: Final = [1, 250_000, 3_000_000, 2**51, 2**53, -1, -250_000, -3_000_000, -(2**53)]
_seldom = st.sampled_from([False] * 7 + [True])


class OperatorRules(RuleBasedStateMachine):
    """A world and its model; the machine that has these rules makes both at its beginning."""

    world: HoldWorld
    model: HoldModel
    snapshots: list[Limits]
    numbers: Iterator[int]

    @rule(amount=st.sampled_from(_AMOUNTS), labels=labels, has_key=st.booleans(), is_old=_seldom)
    def an_operator_corrects(
        self, amount: int, labels: dict[str, str], has_key: bool, is_old: bool
    ) -> None:
        limits, now_us = self.limits(is_old), self.world.now_us
        key, proposed = KEY_NAME if has_key else None, self.world.proposed
        answer = self.world.try_adjust(amount, limits=limits, labels=labels, key=key)
        before = dict(self.model.periods)
        if not self.is_current(limits) or not self.model.opens(proposed, now_us):
            assert isinstance(answer, Stale), answer
            return
        levels = self.levels_of_use(labels, key)
        if self.model.adjust(self.model.open_number, amount, levels, limits):
            assert isinstance(answer, Adjusted), answer
        else:
            self.model.periods = before  # what is refused opens none
            assert_denied(answer, Reason.INVALID_REQUEST)

    @precondition(lambda self: self.model.periods)
    @rule(amount=st.sampled_from(_AMOUNTS), place=st.integers(0, 10))
    def an_operator_corrects_an_earlier_month(self, amount: int, place: int) -> None:
        number, period = sorted(self.model.periods.items())[-1 - place % len(self.model.periods)]
        limits, now_us = self.world.limits, self.world.now_us
        proposed = self.world.proposed
        request = f"earlier-{next(self.numbers)}"
        answer = self.world.try_adjust(amount, id=request, instant_us=period.start_us)
        if number <= self.model.closed:
            is_near = proposed.contains(period.start_us)
            if is_near and not self.model.opens(proposed, now_us):
                assert isinstance(answer, Stale), answer
                return
            assert isinstance(answer, Elsewhere), answer
            known = NumberedPeriod(number, period.start_us, period.end_us)
            answer = self.world.try_adjust(
                amount, id=request, instant_us=period.start_us, closed=known
            )
        if self.model.adjust(number, amount, self.levels_of_use({}, None), limits):
            assert isinstance(answer, Adjusted), answer
            again = self.world.try_adjust(amount, id=request, instant_us=period.start_us)
            assert again == replace(answer, replayed=True)
        else:
            assert_denied(answer, Reason.INVALID_REQUEST)

    def limits(self, are_old: bool) -> Limits:
        """Today's, or those before the latest change: what a replica has that missed it."""
        return self.snapshots[-2 if are_old and len(self.snapshots) > 1 else -1]

    def is_current(self, limits: Limits) -> bool:
        today = self.world.limits
        return (limits.account_generation, limits.plan_generation) == (
            today.account_generation,
            today.plan_generation,
        )

    def levels_of_use(self, labels: dict[str, str], key: KeyName | None) -> tuple[str, ...]:
        """The levels that an adjustment of such a use moves: no hour."""
        command = self.world.command("unused", labels=labels, key_name=key)
        return tuple(level for level in levels_of(command) if level != "H")


def assert_denied(answer: object, reason: Reason) -> None:
    assert isinstance(answer, Denial), (answer, reason)
    assert answer.reason is reason
