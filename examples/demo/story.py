"""The story of the Free plan, step by step. Each step says what it saw and whether it is right."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from customer import Refused, Served, ask, spend, usage
from traffic import requests, small_request

from fluxrouter.v1 import account_pb2, control_pb2, usage_pb2
from fluxrouter_server.cli.output import instant, usd
from fluxrouter_server.cli.resource_files import API_VERSION, read_resources
from fluxrouter_server.cli.session import Session
from fluxrouter_testing.fleet import Fleet

ONE_DOLLAR = 1_000_000_000
#: At least this much of the dollar must be usable: the last cents are not stranded.
USABLE = ONE_DOLLAR * 995 // 1000
#: An entry arrives within a second; a busy machine may take longer.
_ARRIVAL_SECONDS = 10.0
_POLL_SECONDS = 0.05
_MOST_REQUESTS = 5_000  # a cap that does not stop must not make the story endless


@dataclass(frozen=True)
class Step:
    """What one step of the story came to; `facts` go into the JSON line."""

    name: str
    ok: bool
    saw: str
    facts: dict[str, object] = field(default_factory=dict)


class Story:
    """Plays the steps in order against a fleet."""

    def __init__(self, fleet: Fleet, resources: Path) -> None:
        """Takes a fleet on a simulated clock, and the folder with the catalog and the plans."""
        self._fleet = fleet
        self._clock = fleet.clock
        self._admin = fleet.servers[0].session()
        self._resources = resources
        self._key = ""
        self._reset_us = 0

    def steps(self) -> tuple[Callable[[], Step], ...]:
        """Returns the steps; each builds on those before it."""
        return (
            self.sign_up_needs_card,
            self.routed_until_cap,
            self.stopped_at_cap,
            self.other_replica_agrees,
            self.resets_next_month,
            self.upgrade_keeps_key,
            self.usage_adds_up,
            self.ledger_has_no_drift,
        )

    def sign_up_needs_card(self) -> Step:
        """An account without a card is refused; with a card it works."""
        self._apply(*read_resources([str(self._resources)]), _account("none", "free"))
        self._key = self._admin.call(
            self._admin.control.CreateKey,
            control_pb2.CreateKeyRequest(account="default/ada", name="default"),
        ).secret
        without = ask(self._customer(), small_request())
        self._apply(_account("card", "free"))
        with_card = ask(self._customer(), small_request())
        self._clock.advance(1)
        return Step(
            "sign-up-needs-card",
            _is(without, "PAYMENT_METHOD_REQUIRED") and isinstance(with_card, Served),
            f"without a card: {_said(without)}; with one: {_said(with_card)}",
        )

    def routed_until_cap(self) -> Step:
        """Requests are routed and billed by the lane that served, until the cap says no."""
        served, denied = self._spend_the_month(seed=1)
        lanes = Counter(item.lane for item in served)
        return Step(
            "routed-until-cap",
            denied is not None and len(lanes) > 1,
            f"{len(served)} requests ({_counted(lanes)}),"
            f" {sum(item.shrunk for item in served)} of them shrunk to fit",
            {"requests": len(served), "lanes": dict(lanes)},
        )

    def stopped_at_cap(self) -> Step:
        """At $1 the answer is no, with the reset time, and the bill is not above $1."""
        denied = ask(self._customer(), small_request())
        counters = spend(self._customer())
        self._reset_us = counters.period_end_time.ToMicroseconds()
        bill = counters.settled_nano_usd
        told = denied.facts.get("reset_time", "") if isinstance(denied, Refused) else ""
        return Step(
            "stopped-at-cap",
            _is(denied, "CAP_REACHED")
            and USABLE <= bill <= ONE_DOLLAR
            and counters.held_nano_usd == 0
            and told.startswith(instant(counters.period_end_time)[:10]),
            f"{_said(denied)}, reset {told}; bill {usd(bill)} of $1.00",
            {"settled_nano_usd": bill, "cap_nano_usd": ONE_DOLLAR, "reset_time": told},
        )

    def other_replica_agrees(self) -> Step:
        """Another replica, which has never seen this account, says the same."""
        self._clock.advance(1)
        elsewhere = self._customer(replica=1)
        denied, counters = ask(elsewhere, small_request()), spend(elsewhere)
        here = spend(self._customer())
        return Step(
            "other-replica-agrees",
            _is(denied, "CAP_REACHED") and counters.settled_nano_usd == here.settled_nano_usd,
            f"{_said(denied)}; bill there {usd(counters.settled_nano_usd)}",
        )

    def resets_next_month(self) -> Step:
        """One second before the month ends it is still no; at its end the dollar is back."""
        self._clock.set(self._reset_us - 1_000_000)
        before = ask(self._customer(), small_request())
        self._clock.set(self._reset_us)
        fresh = spend(self._customer())
        after = ask(self._customer(), small_request())
        return Step(
            "resets-next-month",
            _is(before, "CAP_REACHED")
            and fresh.settled_nano_usd == 0
            and isinstance(after, Served),
            f"a second before: {_said(before)}; then {usd(fresh.headroom_nano_usd)} again:"
            f" {_said(after)}",
        )

    def upgrade_keeps_key(self) -> Step:
        """Stopped again, the account takes another plan, and the same key goes on at once."""
        self._clock.advance(1)
        self._spend_the_month(seed=2)
        stopped = ask(self._customer(), small_request())
        self._apply(_account("card", "pay-as-you-go"))
        after = [ask(self._customer(replica=replica), small_request()) for replica in (1, 0)]
        counters = spend(self._customer())
        return Step(
            "upgrade-keeps-key",
            _is(stopped, "CAP_REACHED")
            and all(isinstance(answer, Served) for answer in after)
            and counters.plan == "pay-as-you-go",
            f"{_said(stopped)}; on {counters.plan} the same key: {_said(after[0])}",
        )

    def usage_adds_up(self) -> Step:
        """What was used by the ledger, in all and by model, is what the counter says."""
        settled = spend(self._customer()).settled_nano_usd

        used = self._usage_of(settled)
        by_model = sum(
            group.sums.billed_nano_usd for group in used.groups if group.group_by == "model"
        )
        return Step(
            "usage-adds-up",
            used.total.billed_nano_usd == settled == by_model and used.total.requests > 0,
            f"{used.total.requests} requests, {usd(used.total.billed_nano_usd)} in the ledger,"
            f" {usd(settled)} on the counter",
            {"ledger_nano_usd": used.total.billed_nano_usd, "counter_nano_usd": settled},
        )

    def ledger_has_no_drift(self) -> Step:
        """Every counter of every account follows from the ledger's entries."""
        parts = list(
            self._admin.stream(self._admin.usage.CheckLedger, usage_pb2.CheckLedgerRequest())
        )
        drifts, last = sum(len(part.drifts) for part in parts), parts[-1]
        return Step(
            "ledger-has-no-drift",
            drifts == 0 and last.done and last.lagging_accounts == 0,
            f"{last.checked_accounts} accounts compared, {drifts} differences",
            {"accounts": last.checked_accounts, "differences": drifts},
        )

    def _usage_of(self, settled_nano_usd: int) -> usage_pb2.GetUsageResponse:
        """The customer's usage, once it has what was settled, or after a while as it is."""
        give_up_at = time.monotonic() + _ARRIVAL_SECONDS
        while True:
            used = usage(self._customer())
            arrived = used.total.billed_nano_usd == settled_nano_usd
            if arrived or time.monotonic() > give_up_at:
                return used
            time.sleep(_POLL_SECONDS)

    def _spend_the_month(self, *, seed: int) -> tuple[list[Served], Refused | None]:
        """Asks once a second until even a small request is refused; answers what was served."""
        served: list[Served] = []
        for request in requests(seed):
            self._clock.advance(1)
            answer = ask(self._customer(), request)
            if isinstance(answer, Refused):
                break
            served.append(answer)
        while len(served) < _MOST_REQUESTS:
            self._clock.advance(1)
            answer = ask(self._customer(), small_request(), model="flux-fast")
            if isinstance(answer, Refused):
                return served, answer if answer.reason == "CAP_REACHED" else None
            served.append(answer)
        return served, None

    def _customer(self, replica: int = 0) -> Session:
        return self._fleet.servers[replica].session(self._key)

    def _apply(self, *resources: control_pb2.Resource) -> None:
        self._admin.call(self._admin.control.Apply, control_pb2.ApplyRequest(resources=resources))


def _account(payment_method: str, plan: str) -> control_pb2.Resource:
    account = account_pb2.Account(api_version=API_VERSION, kind="Account")
    account.metadata.name = "ada"
    account.spec.plan = plan
    account.spec.payment_method = payment_method
    account.spec.api_keys.add(name="default")
    return control_pb2.Resource(account=account)


def _is(answer: Served | Refused, reason: str) -> bool:
    return isinstance(answer, Refused) and answer.reason == reason


def _said(answer: Served | Refused) -> str:
    if isinstance(answer, Refused):
        return answer.reason
    return f"{answer.model} for {usd(answer.billed_nano_usd)}"


def _counted(lanes: Counter[str]) -> str:
    return ", ".join(f"{number} {lane}" for lane, number in sorted(lanes.items()))
