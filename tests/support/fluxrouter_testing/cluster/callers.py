"""Pods that call FluxRouter through its Services, and one that stands in for the providers."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import yaml

from fluxrouter_testing.cluster.images import Image
from fluxrouter_testing.cluster.pods.calls import Order
from fluxrouter_testing.cluster.release import NAME, NAMESPACE, Release

__all__ = ["Callers", "Load"]

_PROGRAMS: Final = Path(__file__).with_name("pods")
_PACKAGE: Final = "fluxrouter_testing.cluster.pods"
_MOUNT: Final = "/callers"
_HOST: Final = f"{NAME}.{NAMESPACE}.svc"
_GRPC_PORT: Final = 50051
_UPSTREAM: Final = f"http://upstream.{NAMESPACE}.svc:8080"
_UPSTREAMS: Final = ("open-models", "google", "openai", "anthropic")
_SPEND_SECONDS: Final = 120.0
_LOAD_SECONDS: Final = 30.0
_LEAST_SERVED: Final = 20


@dataclass
class Load:
    """Requests under way. `end` stops them and returns what became of all of them."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def served_more(self) -> None:
        """Waits until further requests have been served."""
        goal = self._next()["served"] + _LEAST_SERVED
        while self._next()["served"] < goal:
            pass

    def end(self) -> dict[str, Any]:
        """Stops it; returns the last line."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        while self._read():
            pass
        assert self.process.wait(_LOAD_SECONDS) == 0, "the load ended by itself"
        return self.lines[-1]

    def _next(self) -> dict[str, Any]:
        assert self._read(), f"the load ended by itself after {self.lines[-1:]}"
        return self.lines[-1]

    def _read(self) -> bool:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            self.lines.append(json.loads(line))
        return bool(line)


@dataclass(frozen=True, slots=True)
class Callers:
    """The pods, once they are there. `create` makes them."""

    release: Release

    @classmethod
    def create(cls, release: Release, image: Image) -> Self:
        """Starts the pods, and waits until they run."""
        documents = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "callers"},
                "data": _programs(),
            },
            _pod("caller", image, "-c", "import signal; signal.pause()"),
            _pod("upstream", image, "-m", f"{_PACKAGE}.upstream"),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "upstream"},
                "spec": {"selector": {"try": "upstream"}, "ports": [{"port": 8080}]},
            },
        ]
        release.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(documents))
        pods = ("pod/caller", "pod/upstream")
        release.kubectl("wait", "--for=condition=Ready", *pods, "--timeout=50s")
        return cls(release)

    def stand_in_for_providers(self) -> None:
        """Lets the catalog's upstreams be the stand-in."""
        upstreams = [{"name": name, "baseUrl": _UPSTREAM} for name in _UPSTREAMS]
        self.release.patch("catalog/default", {"upstreams": upstreams})
        self.release.wait_ready()

    def spend(self, way: str, order: Order) -> dict[str, Any]:
        """Spends until refused, over `grpc` or `http`; returns what `spend.py` prints."""
        found: dict[str, Any] = self._run("spend", way, order=order)
        return found

    def try_replicas(self, order: Order) -> list[tuple[int, str]]:
        """Sends each replica a request; returns the caps in force (nano-USD) and the refusals."""
        answers = self._run("replicas", "try", order=order)
        return [(answer["cap_nano_usd"], answer["refusal"]) for answer in answers]

    def spend_of(self, order: Order) -> tuple[list[int], list[int]]:
        """Returns caps in force and amounts settled, in nano-USD, as each replica has them."""
        answers = self._run("replicas", "look", order=order)
        caps = [answer["cap_nano_usd"] for answer in answers]
        return caps, [answer["settled_nano_usd"] for answer in answers]

    def order(self, key: str, *, input_tokens: int = 200, output_tokens: int = 20) -> Order:
        """Returns an order to call as the owner of a key, with requests of that size."""
        return Order(
            grpc=f"{_HOST}:{_GRPC_PORT}",
            http=f"https://{_HOST}/v1",
            name=_HOST,
            ca=self.release.secret(f"{NAME}-generated", "ca.crt"),
            key=key,
            addresses=tuple(f"{ip}:{_GRPC_PORT}" for ip in self.release.addresses()),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )

    @contextmanager
    def load(self, order: Order) -> Iterator[Load]:
        """Sends requests all the while; yields once some were served."""
        cluster = self.release.cluster
        command = (cluster.kubectl_program, "--namespace", NAMESPACE, *_exec("load"))
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=cluster.environment,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps(asdict(order)) + "\n")
            process.stdin.flush()
            load = Load(process)
            try:
                load.served_more()
                yield load
            finally:
                process.terminate()

    def _run(self, program: str, *arguments: str, order: Order) -> Any:  # noqa: ANN401 - JSON
        text = json.dumps(asdict(order)) + "\n"
        return json.loads(
            self.release.kubectl(*_exec(program), *arguments, text=text, seconds=_SPEND_SECONDS)
        )


def _programs() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(_PROGRAMS.glob("*.py"))}


def _exec(program: str) -> tuple[str, ...]:
    return ("exec", "--stdin", "caller", "--", "python", "-m", f"{_PACKAGE}.{program}")


def _pod(name: str, image: Image, *arguments: str) -> dict[str, Any]:
    folder = _PACKAGE.replace(".", "/")
    items = [{"key": program, "path": f"{folder}/{program}"} for program in _programs()]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"try": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": name,
                    "image": str(image),
                    "command": ["python", *arguments],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "env": [{"name": "PYTHONPATH", "value": _MOUNT}],
                    "volumeMounts": [{"name": "programs", "mountPath": _MOUNT}],
                }
            ],
            "volumes": [{"name": "programs", "configMap": {"name": "callers", "items": items}}],
        },
    }
