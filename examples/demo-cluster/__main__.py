"""Plays FluxRouter in the cluster that `KUBECONFIG` names: `make demo-cluster`.

Pods really run: the chart with its defaults of a trial, the example plans and accounts, a customer
in a pod of its own who spends over HTTP and gRPC, and what `kubectl get` shows of that. It cleans
up after itself. The exit code is 1 where something is not as promised.
"""

import sys
import tempfile
import time
from pathlib import Path

from fluxrouter_testing.cluster.access import Cluster, ClusterError
from fluxrouter_testing.cluster.callers import Callers
from fluxrouter_testing.cluster.images import Image, prepared_images
from fluxrouter_testing.cluster.release import (
    NAME,
    NAMESPACE,
    Release,
    empty_namespace,
    trial_values,
)
from fluxrouter_testing.waiting import eventually

_ACCOUNT = "free-demo"
#: Five such requests or so are a month of Free.
_INPUT_TOKENS = 60_000
_OUTPUT_TOKENS = 8_000
_SPEND_SECONDS = 30.0


def main() -> int:
    """Plays it; 0 where every step is as promised."""
    with tempfile.TemporaryDirectory(prefix="helm-") as scratch:
        try:
            cluster = Cluster.named_by_kubeconfig(Path(scratch))
            image, _ = prepared_images()
            with empty_namespace(cluster) as release:
                return _play(release, image)
        except ClusterError as problem:
            print(f"demo-cluster: {problem}", file=sys.stderr)
            return 1


def _play(release: Release, image: Image) -> int:
    begun = time.monotonic()
    _say(f"helm install {NAME} charts/fluxrouter -n {NAMESPACE} --wait")
    values = trial_values(image)
    values["operator"]["extraArgs"] = ["--spend-seconds=3"]  # as people watch
    release.install(values)
    print(release.kubectl("get", "pods").rstrip())

    _say("kubectl apply -f examples/resources")
    release.apply_resources()
    callers = Callers.create(release, image)
    callers.stand_in_for_providers()

    key = release.secret(f"{_ACCOUNT}-key", "api-key")
    order = callers.order(key, input_tokens=_INPUT_TOKENS, output_tokens=_OUTPUT_TOKENS)
    _say(f"a customer asks {order.http}/chat/completions until the answer is a refusal")
    over_http = callers.spend("http", order)
    print(f"{over_http['served']} answers, then {over_http['status']} {over_http['refusal']}")

    _say(f"and {order.grpc} over gRPC, which can use the last cents")
    over_grpc = callers.spend("grpc", order)
    print(f"{over_grpc['served']} more, then {over_grpc['refusal']}")

    _say("kubectl get plans,accounts")
    billed = over_http["billed_nano_usd"] + over_grpc["billed_nano_usd"]
    eventually(lambda: release.spend_shown(_ACCOUNT) == billed, _SPEND_SECONDS)
    print(release.kubectl("get", "plans,accounts").rstrip())
    print(f"\n{time.monotonic() - begun:.0f} s from helm install to here", flush=True)
    refusals = (over_http["refusal"], over_grpc["refusal"])
    return 0 if refusals == ("cap_reached", "CAP_REACHED") else 1


def _say(command: str) -> None:
    print(f"\n$ {command}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
