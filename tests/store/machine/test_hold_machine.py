"""Drives the real scripts on a real store, step by step beside a plain model.

After each step the invariants are read off the store's state and every counter is compared with the
model's. `--hypothesis-profile=thorough` runs many more and longer examples.
"""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fluxrouter_server.domain.accounts import KeyState
from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.hold_ids import HoldRef, request_key
from fluxrouter_server.domain.holds import Candidate, HoldState, Receipt
from fluxrouter_server.domain.ids import RequestId
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import Usage, worst_case_nano_usd
from fluxrouter_server.services.ports.holds import AdmitCommand, Admitted, Extended, Stale
from fluxrouter_server.store.key_validity import key_fields
from fluxrouter_server.store.keys import key_field
from fluxrouter_testing.blocking_store import finish
from fluxrouter_testing.hold_changes import (
    KEY_NAME,
    KEYS,
    Change,
    KeyChanged,
    PlanEdited,
    changes,
    plan_edits,
)
from fluxrouter_testing.hold_documents import HOUR_US, SECOND_US
from fluxrouter_testing.hold_invariants import HoldInvariants
from fluxrouter_testing.hold_model import HoldModel
from fluxrouter_testing.hold_model_choice import caps_of
from fluxrouter_testing.hold_model_values import Denied, ModelHold, Replayed, StaleDocuments
from fluxrouter_testing.hold_steps import (
    Ask,
    Touch,
    asks,
    attempts,
    calls,
    labels,
    offers,
    requests,
    touches,
    usages,
)
from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.operator_rules import OperatorRules, assert_denied
from fluxrouter_testing.valkey import ThrowawayValkey


class HoldMachine(OperatorRules):
    """One account, all that can be done to it, in any order."""

    server: ThrowawayValkey

    @initialize(plan=plan_edits)
    def begin(self, plan: PlanEdited) -> None:
        self.world = HoldWorld(self.server)
        self.model = HoldModel(self.world.uid, self.world.timing)
        self.watch = HoldInvariants(self.world, self.model)
        KeyChanged(KeyState.ACTIVE).apply(self.world)
        replace(plan, name="free").apply(self.world)
        self.snapshots: list[Limits] = [self.world.limits]
        self.holds: list[ModelHold] = []
        self.numbers = count()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()

    @invariant()
    def the_invariants_hold(self) -> None:
        if hasattr(self, "world"):
            self.watch.check()

    # The world.

    @rule(seconds=st.sampled_from([1, 30, 121, 1_800, 3_601, -1, -600, -9_000]))
    def time_passes_or_the_clock_is_set_back(self, seconds: int) -> None:
        self.world.advance(seconds)

    @rule(distance_us=st.sampled_from([-1, 0, 1, HOUR_US, 2 * HOUR_US, 40 * 24 * HOUR_US]))
    def the_period_ends(self, distance_us: int) -> None:
        period = self.world.open_period
        if period is not None:
            self.world.now_us = max(self.world.now_us, period.end_us + distance_us)

    @rule()
    def a_server_sweeps(self) -> None:
        ended = self.world.sweep()
        live = len(self.model.live)
        self.model.end_overdue(self.world.now_us)
        self.model.close_periods(self.world.now_us)
        assert sum(ended.values()) == live - len(self.model.live)
        self.watch.check_nothing_is_overdue()

    @precondition(lambda self: self.model.live)
    @rule()
    def a_hold_expires(self) -> None:
        expiry_us = min(hold.expire_us for hold in self.model.live.values())
        self.world.now_us = max(self.world.now_us, expiry_us)
        self.a_server_sweeps()

    @rule(change=changes)
    def a_document_changes(self, change: Change) -> None:
        change.apply(self.world)
        self.snapshots.append(self.world.limits)

    # Requests.

    @rule(labels=labels, offers=offers)
    def a_new_request_is_routed(
        self, labels: dict[str, str], offers: tuple[Candidate, ...]
    ) -> None:
        request = f"n{next(self.numbers)}"
        self.route(self.world.command(request, labels=labels, candidates=offers))

    @rule(labels=labels, offers=offers)
    def a_new_request_comes_with_a_key(
        self, labels: dict[str, str], offers: tuple[Candidate, ...]
    ) -> None:
        request = f"k{next(self.numbers)}"
        command = self.world.command(
            request, labels=labels, candidates=offers, key_hash=KEYS[0], key_name=KEY_NAME
        )
        self.route(command)

    @rule(ask=asks)
    def a_request_is_routed_that_may_be_known(self, ask: Ask) -> None:
        now_us = self.world.now_us
        past = Period(now_us - HOUR_US, now_us)
        command = self.world.command(
            ask.request,
            limits=self.limits(ask.has_old_documents),
            proposed_period=past if ask.has_old_proposal else None,
            attempt=ask.attempt,
            labels=ask.labels,
            key_hash=None if ask.key is None else KEYS[ask.key],
            key_name=None if ask.key is None else KEY_NAME,
            candidates=ask.offers,
            call=ask.call,
            digest=(b"other" if ask.has_other_body else ask.request.encode()).ljust(16, b"\0"),
        )
        self.route(command)

    @rule(request=requests, attempt=attempts, call=calls)
    def a_request_is_released_known_or_not(self, request: str, attempt: int, call: str) -> None:
        now_us = self.world.now_us
        receipt = self.world.release_request(request, attempt, call=call)
        hold = self.model.find(request, lambda hold: hold.attempt == attempt, now_us)
        if hold is None:
            self.model.refuse(request, attempt, call, now_us)
            assert (receipt.hold_id, receipt.state) == (None, HoldState.RELEASED)
        elif hold.state is HoldState.ACTIVE and call and hold.call != call:
            assert receipt.state is HoldState.ACTIVE
        else:
            self.end_by_release(hold, receipt)

    # Holds.

    @precondition(lambda self: self.holds)
    @rule(touch=touches, usage=usages)
    def a_hold_is_settled(self, touch: Touch, usage: Usage) -> None:
        hold, limits = self.hold(touch), self.limits(touch.has_old_documents)
        answer = self.world.try_settle(
            self.ref(hold), usage, limits=limits, principal=touch.principal
        )
        if self.is_refused(hold, answer, touch):
            return
        if hold.state is HoldState.SETTLED:
            self.compare_receipt(hold, answer, was_given=True)
            return
        if not self.is_current(limits):
            assert isinstance(answer, Stale)
            return
        caps = caps_of(limits)
        self.model.settle(hold, usage, caps, self.world.now_us)
        receipt = self.compare_receipt(hold, answer, was_given=False)
        is_open = hold.period > self.model.closed
        assert receipt.headroom_nano_usd == (self.model.room(hold, caps) if is_open else 0)

    @precondition(lambda self: self.holds)
    @rule(touch=touches)
    def a_hold_is_released(self, touch: Touch) -> None:
        hold = self.hold(touch)
        answer = self.world.try_release(self.ref(hold), principal=touch.principal)
        if not self.is_refused(hold, answer, touch):
            self.end_by_release(hold, answer)

    @precondition(lambda self: self.holds)
    @rule(
        touch=touches,
        output_tokens=st.sampled_from([0, 100, 1_500, 4_000]),
        seconds=st.sampled_from([0, 60, 600, 9_000]),
    )
    def a_hold_is_extended(self, touch: Touch, output_tokens: int, seconds: int) -> None:
        hold, limits = self.hold(touch), self.limits(touch.has_old_documents)
        expire_us = self.world.now_us + seconds * SECOND_US
        answer = self.world.try_extend(
            self.ref(hold),
            output_tokens=output_tokens,
            expire_us=expire_us,
            limits=limits,
            principal=touch.principal,
        )
        if self.is_refused(hold, answer, touch):
            return
        expected = self.why_not_extended(hold, limits, output_tokens)
        if expected is Stale:
            assert isinstance(answer, Stale)
        elif isinstance(expected, Reason):
            assert_denied(answer, expected)
        else:
            self.model.extend(hold, output_tokens, expire_us)
            assert isinstance(answer, Extended), answer
            assert answer.held_nano_usd == hold.held
            assert answer.expire_us == hold.expire_us
            assert answer.headroom_nano_usd == self.model.room(hold, caps_of(limits))

    # The rest compares.

    def hold(self, touch: Touch) -> ModelHold:
        return self.holds[-1 - touch.place % len(self.holds)]

    def refusal(self, field: str) -> Reason | None:
        """What the account's state says of a caller with that key."""
        record = self.world.account
        ends = key_fields(record.account, record.secrets)
        if field and ends.get(field, 0) <= self.world.now_us:
            return Reason.API_KEY_INVALID
        if record.deleted:
            return Reason.RESOURCE_NOT_FOUND
        return Reason.ACCOUNT_SUSPENDED if record.account.suspended else None

    def ref(self, hold: ModelHold) -> HoldRef:
        key = request_key(self.world.uid, RequestId(hold.request))
        ms = hold.admitted_us // 1_000
        return HoldRef(self.world.shard, 1, ms, self.world.uid, key, hold.attempt)

    def route(self, command: AdmitCommand) -> None:
        field = "" if command.key_hash is None else key_field(command.key_hash)
        answer = finish(self.world.holds.admit(command))
        expected = self.model.admit(
            command,
            self.world.now_us,
            is_fresh=self.is_current(command.limits),
            key_field=field,
            refusal=self.refusal(field),
        )
        match expected:
            case StaleDocuments():
                assert isinstance(answer, Stale), answer
            case Denied(reason):
                assert_denied(answer, reason)
            case Replayed(hold):
                assert isinstance(answer, Admitted), answer
                assert answer.replayed
                assert answer.hold.state is hold.state
                assert answer.hold.model == hold.offer.model
            case ModelHold() as hold:
                assert isinstance(answer, Admitted), answer
                assert not answer.replayed
                self.holds.append(hold)
                assert answer.hold.held_nano_usd == hold.held
                assert answer.hold.granted_output_tokens == hold.granted
                assert answer.hold.model == hold.offer.model
                assert answer.hold.expire_us == hold.expire_us

    def is_refused(self, hold: ModelHold, answer: object, touch: Touch) -> bool:
        """Whether nobody may touch the hold by its id: it is forgotten, or the caller's not."""
        now_us = self.world.now_us
        if self.model.find(hold.request, lambda other: other is hold, now_us) is None:
            age_us = now_us - hold.admitted_us // 1_000 * 1_000
            is_old = age_us >= self.world.timing.replay_window_us
            assert_denied(answer, Reason.HOLD_TOO_OLD if is_old else Reason.HOLD_NOT_FOUND)
            return True
        if touch.is_thief:
            assert_denied(answer, Reason.HOLD_NOT_YOURS)
        return touch.is_thief

    def why_not_extended(
        self, hold: ModelHold, limits: Limits, output_tokens: int
    ) -> Reason | type[Stale] | None:
        if hold.state is not HoldState.ACTIVE:
            return Reason.HOLD_ENDED
        if not self.is_current(limits):
            return Stale
        refusal = self.refusal(hold.key_field)
        if refusal is not None:
            return refusal
        self.model.end_overdue(self.world.now_us)
        if hold.state is not HoldState.ACTIVE:
            return Reason.HOLD_ENDED
        more = worst_case_nano_usd(hold.offer, max(hold.granted, output_tokens)) - hold.held
        return self.model.shortage(hold, more, caps_of(limits))

    def end_by_release(self, hold: ModelHold, answer: object) -> None:
        was_live = hold.state is HoldState.ACTIVE
        if was_live:
            self.model.release(hold, self.world.now_us)
        self.compare_receipt(hold, answer, was_given=not was_live)

    def compare_receipt(self, hold: ModelHold, answer: object, *, was_given: bool) -> Receipt:
        assert isinstance(answer, Receipt), answer
        assert answer.replayed == was_given
        assert answer.state is hold.state
        assert answer.cost_nano_usd == hold.cost
        assert answer.billed_nano_usd == hold.billed
        assert answer.absorbed_nano_usd == hold.cost - hold.billed
        assert answer.included_nano_usd == hold.included
        assert answer.metered_nano_usd == hold.metered
        return answer


@pytest.mark.timeout(3_600)  # a failure is shrunk for up to five minutes
def test_every_history_keeps_the_invariants_and_agrees_with_the_model(
    shared_valkey: ThrowawayValkey,
) -> None:
    machine = type("HoldMachineOnServer", (HoldMachine,), {"server": shared_valkey})
    thorough = settings.get_current_profile_name() == "thorough"
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=1_500 if thorough else 100,
            stateful_step_count=100 if thorough else 50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
