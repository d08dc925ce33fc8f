"""Pods of a rendered workload as processes of this machine: what a kubelet would start.

Command, arguments, environment, files and probes come from the workload's own template and from the
objects that it names in the API server. What a machine without containers cannot give is mapped: a
path of the pod lies below a folder of its own, its address is one of the loopback range, and names
of Services stand for other such addresses.
"""

import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fluxrouter_server.store.embedded import valkey_binary
from fluxrouter_testing.kubernetes_api import KubernetesApi
from fluxrouter_testing.pod_sources import PodSources, Workload
from fluxrouter_testing.processes import Child, running

__all__ = ["LocalPod", "Node"]

_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05

Document = dict[str, Any]


@dataclass
class LocalPod:
    """A pod that was started. `Node.start` makes it."""

    child: Child
    host: str
    container: Document
    _stack: ExitStack

    def wait_ready(self) -> None:
        """Waits for startup and readiness as the probes define them."""
        give_up_at = time.monotonic() + _READY_SECONDS
        for probe in ("startupProbe", "readinessProbe"):
            while not self.passes(probe):
                log = self.child.log.read_text(errors="replace")[-3000:]
                assert self.child.process.poll() is None, f"it ended:\n{log}"
                assert time.monotonic() < give_up_at, f"{probe} never passed:\n{log}"
                time.sleep(_POLL_SECONDS)

    def passes(self, probe: str) -> bool:
        """Whether an HTTP probe of the container is content now."""
        check = self.container[probe]["httpGet"]
        host, port = self.address(check["port"])
        try:
            with urllib.request.urlopen(f"http://{host}:{port}{check['path']}", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def address(self, port: str) -> tuple[str, int]:
        """Where a named port of the container listens."""
        ports: list[Document] = self.container["ports"]
        return self.host, next(int(p["containerPort"]) for p in ports if p["name"] == port)

    def stop(self) -> int:
        """Ends it as a kubelet does, after its preStop pause; returns its exit code."""
        pause = self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        time.sleep(pause.get("seconds", 0))
        code = self.child.stop()
        self._stack.close()
        return code


@dataclass
class Node:
    """Where pods run.

    Attributes:
        api: the cluster that has the objects they name.
        folder: all files of all pods are below it.
        services: addresses that stand for `host:port` of Services.
        stack: ends what still runs.
    """

    api: KubernetesApi
    folder: Path
    services: Mapping[str, str]
    stack: ExitStack
    _count: int = field(default=0)

    def start(self, workload: Workload, host: str) -> LocalPod:
        """Starts a pod on an address, its init containers first; they must succeed."""
        self._count += 1
        mapping = _Mapping(self, workload, self.folder / f"pod-{self._count}", host)
        for container in workload.pod.get("initContainers", ()):
            log = mapping.root / f"{container['name']}.log"
            with running(mapping.command(container), log=log) as child:
                assert child.process.wait(_READY_SECONDS) == 0, log.read_text()
        (container,) = workload.pod["containers"]
        stack = self.stack.enter_context(ExitStack())
        log = mapping.root / f"{container['name']}.log"
        child = stack.enter_context(running(mapping.command(container), log=log))
        return LocalPod(child, host, container, stack)

    def run(self, workload: Workload, host: str) -> tuple[int, str]:
        """Runs a pod that ends by itself; returns its exit code and its log."""
        pod = self.start(workload, host)
        code = pod.child.process.wait(_READY_SECONDS)
        return code, pod.child.log.read_text()


class _Mapping:
    """Where on this machine the paths and addresses of one pod are."""

    def __init__(self, node: Node, workload: Workload, root: Path, host: str) -> None:
        self.root = root
        self._node = node
        self._host = host
        self._sources = PodSources(node.api, workload)
        self._volumes = {}
        for volume in workload.volumes:
            folder = self._volumes[volume["name"]] = root / "volumes" / volume["name"]
            folder.mkdir(parents=True)
            for name, content in self._sources.files(volume).items():
                (folder / name).write_bytes(content)

    def command(self, container: Document) -> Sequence[str]:
        """Returns the command of a container, with its environment and nothing else's."""
        mounts = {m["mountPath"]: m["name"] for m in container.get("volumeMounts", ())}
        folders = {path: str(self._volumes[name]) for path, name in mounts.items()}
        for path in self.root.glob("volumes/*/*.conf"):  # Valkey's names others of its files
            path.write_text(self._mapped(path.read_text(), folders))
        environment = {
            **self._sources.environment(container),
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "TMPDIR": "/tmp",
        }
        variables = [f"{key}={self._mapped(text, folders)}" for key, text in environment.items()]
        if kubeconfig := self._sources.kubeconfig():
            variables.append(f"KUBECONFIG={kubeconfig}")
        words: list[str] = [*container["command"], *container.get("args", ())]
        mapped = [self._mapped(text, folders) for text in words[1:]]
        return ["env", "-i", *variables, *_program(words[0]), *mapped]

    def _mapped(self, text: str, folders: Mapping[str, str]) -> str:
        for service, address in self._node.services.items():
            text = text.replace(service, address)
        if folders:
            # All paths at once, so that nothing is mapped twice.
            longest_first = sorted(folders, key=len, reverse=True)
            pattern = rf"({'|'.join(map(re.escape, longest_first))})(?=/|\s|$)"
            text = re.sub(pattern, lambda found: folders[found[1]], text)
        return text.replace("0.0.0.0", self._host).replace("bind * -::*", f"bind {self._host}")


def _program(name: str) -> list[str]:
    """Returns what the image has on its PATH under a name."""
    if name == "valkey-server":
        return [str(valkey_binary())]
    modules = {"fluxrouter": "fluxrouter_server", "fluxrouter-operator": "fluxrouter_operator"}
    return [sys.executable, "-m", modules[name]]
