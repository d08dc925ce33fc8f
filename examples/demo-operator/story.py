"""From `kubectl apply` to a denial at the cap, and on: each step says what it saw."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fluxrouter.v1 import cap_pb2, metering_pb2, router_pb2
from fluxrouter_server.cli.session import CallRefused, Session
from fluxrouter_testing.kubernetes_platform import Platform

_ACCOUNT = "free-demo"
_MOST_REQUESTS = 1000  # a cap that does not stop must not make the story endless
_INPUT_TOKENS = 2_000
_OUTPUT_TOKENS = 4_000


@dataclass(frozen=True)
class Step:
    """What one step of the story came to."""

    name: str
    ok: bool
    saw: str


class Story:
    """Plays the steps in order against a platform."""

    def __init__(self, platform: Platform, resources: Path) -> None:
        """Takes a platform on a simulated clock, and the folder with the example resources."""
        self._platform = platform
        self._resources = resources
        self._key = ""

    def steps(self) -> tuple[Callable[[], Step], ...]:
        """Returns the steps; each builds on those before it."""
        return (
            self.applied_and_enforced,
            self.key_is_in_its_secret,
            self.stopped_at_cap,
            self.raised_plan_is_enforced,
            self.shown_by_kubectl,
        )

    def applied_and_enforced(self) -> Step:
        """The very files that `fluxrouter apply` takes."""
        begun = time.monotonic()
        self._print("apply", "-f", str(self._resources))
        for account in (_ACCOUNT, "builder-demo", "scale-demo"):
            self._platform.wait_ready("account", account)
        seconds = time.monotonic() - begun
        return Step("applied-and-enforced", True, f"every account is ready after {seconds:.1f} s")

    def key_is_in_its_secret(self) -> Step:
        """The operator has made the key that the account names."""
        status = self._platform.status("account", _ACCOUNT)
        (key,) = status["apiKeys"]
        secret = self._platform.api.get("secret", key["secretName"])
        self._key = base64.b64decode(secret["data"]["api-key"]).decode()
        works = self._ask() == ""
        return Step(
            "key-is-in-its-secret", works, f"the key {key['name']} of Secret {key['secretName']}"
        )

    def stopped_at_cap(self) -> Step:
        """Traffic with that key, over both replicas, until the dollar is spent."""
        served, reason = 0, ""
        while not reason and served < _MOST_REQUESTS:
            reason = self._ask(replica=served % 2)
            served += not reason
        counters = self._spend()
        ok = reason == "CAP_REACHED" and counters.settled_nano_usd <= counters.cap_nano_usd
        self._platform.wait(lambda: "CapReached" in dict(self._platform.events(_ACCOUNT)))
        settled = counters.settled_nano_usd / 10**9
        return Step("stopped-at-cap", ok, f"{served} requests, ${settled:.6f} of $1.00, {reason}")

    def raised_plan_is_enforced(self) -> Step:
        """An edited plan counts on every replica."""
        begun = time.monotonic()
        raised = '{"spec":{"capUsd":"2.00","includedCreditUsd":"2.00"}}'
        self._print("patch", "plan", "free", "--type=merge", "-p", raised)
        self._platform.wait(lambda: all(self._spend(n).cap_nano_usd == 2 * 10**9 for n in (0, 1)))
        seconds = time.monotonic() - begun
        served = [self._ask(replica=replica) == "" for replica in (0, 1)]
        saw = f"enforced by both replicas {seconds:.2f} s after kubectl began"
        return Step("raised-plan-is-enforced", all(served), saw)

    def shown_by_kubectl(self) -> Step:
        """What a person sees, spending included."""
        settled = self._spend().settled_nano_usd

        def shown() -> bool:
            spend = self._platform.status("account", _ACCOUNT)["spend"]
            whole, _, rest = str(spend["settledUsd"]).partition(".")
            return int(whole) * 10**9 + int(rest.ljust(9, "0")) == settled

        self._platform.wait(shown)
        self._print("get", "plans,accounts")
        self._print("get", "events")
        return Step("shown-by-kubectl", True, "spending in the status is what the counters say")

    def _ask(self, *, replica: int = 0) -> str:
        """Routes and settles a request with the Secret's key; returns a denial's reason, or ""."""
        session = self._session(replica)
        self._platform.fleet.clock.advance(1)  # Free is one request a second
        try:
            route = session.call(
                session.router.Route,
                router_pb2.RouteRequest(
                    model="flux-auto",
                    input_tokens=_INPUT_TOKENS,
                    max_output_tokens=_OUTPUT_TOKENS,
                ),
            )
        except CallRefused as refused:
            return refused.reason
        usage = metering_pb2.Usage(
            input_tokens=_INPUT_TOKENS, output_tokens=route.granted_max_output_tokens
        )
        settle = metering_pb2.SettleRequest(hold_id=route.hold_id, usage=usage)
        session.call(session.metering.Settle, settle)
        return ""

    def _spend(self, replica: int = 0) -> cap_pb2.Spend:
        session = self._session(replica)
        answer: cap_pb2.GetSpendResponse = session.call(
            session.caps.GetSpend, cap_pb2.GetSpendRequest()
        )
        return answer.spend

    def _session(self, replica: int) -> Session:
        return self._platform.fleet.servers[replica].session(self._key)

    def _print(self, *arguments: str) -> None:
        """Runs kubectl as a person would and shows both."""
        shown = [argument if " " not in argument else repr(argument) for argument in arguments]
        print(f"\n$ kubectl {' '.join(shown)}")
        print(self._platform.api.kubectl(*arguments).rstrip(), flush=True)
