"""The operator as a process of its own, with the permissions that the chart gives it."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import yaml

from fluxrouter_testing.kubernetes_api import KubernetesApi
from fluxrouter_testing.processes import Child, running

__all__ = ["RunningOperator", "install_operator_account", "running_operator"]

_ROOT: Final = Path(__file__).resolve().parents[3]
_RULES: Final = _ROOT / "charts" / "fluxrouter" / "files" / "operator-rules.yaml"
NAMESPACE: Final = "fluxrouter-system"
ACCOUNT: Final = "fluxrouter-operator"
#: Quick enough that a test need not wait, slow enough that the machine has time for the test.
_PACE: Final = (
    *("--spend-seconds", "0.2", "--secret-seconds", "0.5", "--refused-seconds", "1"),
    *("--settle-seconds", "0.5", "--grace-seconds", "0.5", "--status-writes-per-second", "200"),
)


class RunningOperator:
    """An operator that a test may stop, kill and start again. Use `running_operator`."""

    def __init__(self, command: Sequence[str], kubeconfig: Path, log: Path, ready: Path) -> None:
        """Takes the command, whom to be in the cluster, and files for its log and its readiness."""
        self._command = command
        self._kubeconfig = kubeconfig
        self._ready = ready
        self._stack = ExitStack()
        self._child: Child | None = None
        self.log = log

    @property
    def child(self) -> Child:
        """The running process."""
        if self._child is None:
            raise RuntimeError("the operator is not running: start it first")
        return self._child

    def start(self, *, wait: bool = True) -> None:
        """Starts it, and waits until it watches the cluster.

        Raises:
            StartError: it ended before that.
        """
        self._ready.unlink(missing_ok=True)
        before = os.environ.get("KUBECONFIG")
        os.environ["KUBECONFIG"] = str(self._kubeconfig)
        try:
            self._child = self._stack.enter_context(running(self._command, log=self.log))
        finally:
            if before is None:
                del os.environ["KUBECONFIG"]
            else:
                os.environ["KUBECONFIG"] = before
        if wait:
            self._child.wait_for(self._ready)

    def stop(self) -> int:
        """Ends it in good order and returns its exit code."""
        code = self.child.stop()
        self._stack.close()
        self._child = None
        return code

    def kill(self) -> None:
        """Ends it at once."""
        self.child.kill()
        self._stack.close()
        self._child = None

    def close(self) -> None:
        """Ends it if it runs."""
        self._stack.close()
        self._child = None


def install_operator_account(api: KubernetesApi) -> Path:
    """Creates a ServiceAccount with the chart's permissions; returns its kubeconfig."""
    rules = yaml.safe_load(_RULES.read_text(encoding="utf-8"))
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ACCOUNT}
    rbac = "rbac.authorization.k8s.io/v1"
    api.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
        },
        {
            "apiVersion": rbac,
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT},
            "rules": [*rules["cluster"], *rules["namespaced"]],
        },
        {
            "apiVersion": rbac,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": reference,
            "subjects": [subject],
        },
    )
    return api.service_account_kubeconfig(NAMESPACE, ACCOUNT)


@contextmanager
def running_operator(
    folder: Path,
    kubeconfig: Path,
    server: str,
    *options: str,
    module: str = "fluxrouter_operator",
    wait: bool = True,
) -> Iterator[RunningOperator]:
    """Starts an operator and ends it.

    Args:
        folder: for its log.
        kubeconfig: whom it is in the cluster.
        server: `host:port` of the FluxRouter server.
        options: further options, which win over a test's usual ones.
        module: what to run: the operator, or something that wraps it.
        wait: whether to wait until it watches the cluster.

    Raises:
        StartError: it did not come up.
    """
    number = len(list(folder.glob("operator-*.log")))
    log, ready = folder / f"operator-{number}.log", folder / f"operator-{number}.ready"
    command = [
        *(sys.executable, "-m", module, "--server", server, "--ready-file", str(ready)),
        *(*_PACE, *options),
    ]
    operator = RunningOperator(command, kubeconfig, log, ready)
    try:
        operator.start(wait=wait)
        yield operator
    finally:
        operator.close()
