"""The cluster that `KUBECONFIG` names, as kubectl and helm reach it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from fluxrouter_testing.kubernetes_programs import helm_program

__all__ = ["Cluster", "ClusterError", "say"]

_CALL_SECONDS: Final = 60.0
_STARTED: Final = time.monotonic()


class ClusterError(RuntimeError):
    """The cluster refused, or cannot be asked; the message is its own, or says what to do."""


def say(line: str) -> None:
    """Tells people how far it is, at once, whatever pytest does with output."""
    print(f"{time.monotonic() - _STARTED:6.1f} s  {line}", file=sys.__stderr__, flush=True)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster and the programs that talk to it.

    Attributes:
        kubectl_program: From the locked packages.
        helm_program: What `HELM` names, or ours.
        environment: Of both.
    """

    kubectl_program: str
    helm_program: str
    environment: dict[str, str]

    @classmethod
    def named_by_kubeconfig(cls, scratch: Path) -> Self:
        """Finds the cluster and the programs.

        Args:
            scratch: An empty folder, for what helm keeps.

        Raises:
            ClusterError: Something is missing; says how to give it.
        """
        kubeconfig = os.environ.get("KUBECONFIG", "")
        if not kubeconfig:
            raise ClusterError(
                "KUBECONFIG names no cluster: docs/cluster.md says how to get one, with kind or k3s"
            )
        homes = {f"HELM_{name}_HOME": str(scratch / name) for name in ("CACHE", "CONFIG", "DATA")}
        found = cls(
            kubectl_program=str(Path(sys.executable).parent / "kubectl"),
            helm_program=str(helm_program()),
            environment={**os.environ, **homes},
        )
        found.kubectl("version", "--request-timeout=10s")
        return found

    def kubectl(self, *arguments: str, text: str = "", seconds: float = _CALL_SECONDS) -> str:
        """Runs kubectl; returns what it printed.

        Args:
            arguments: As on the command line.
            text: Standard input.
            seconds: How long it may take.

        Raises:
            ClusterError: It refused, or took longer.
        """
        return self._run((self.kubectl_program, *arguments), text, seconds)

    def get(self, *arguments: str) -> Any:  # noqa: ANN401 - parsed JSON
        """Returns what `kubectl get … -o json` prints."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def helm(self, *arguments: str, text: str = "", seconds: float = 240.0) -> str:
        """Runs helm; arguments, answer and errors as `kubectl`."""
        return self._run((self.helm_program, *arguments), text, seconds)

    def _run(self, command: Sequence[str], text: str, seconds: float) -> str:
        shown = f"{Path(command[0]).name} {' '.join(command[1:4])}"
        try:
            answer = subprocess.run(
                command,
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
                env=self.environment,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{shown} … took more than {seconds:g} s") from error
        if answer.returncode:
            raise ClusterError(f"{shown} …: {answer.stderr.strip() or answer.stdout.strip()}")
        return answer.stdout
