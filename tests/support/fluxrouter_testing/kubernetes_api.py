"""A real kube-apiserver on a real etcd, with RBAC, on loopback, for the length of a block.

No controller manager runs: namespaces stay and garbage is not collected, so a test takes a
namespace of its own and leaves it. Everything here blocks.
"""

import http.client
import json
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trustme
import yaml

from fluxrouter_testing.kubernetes_programs import KubernetesPrograms, kubernetes_programs
from fluxrouter_testing.processes import Child, StartError, running
from fluxrouter_testing.valkey import free_port

__all__ = ["KubectlError", "KubernetesApi", "Refused", "running_kubernetes"]

_ADMIN_GROUP: Final = "system:masters"
_START_SECONDS: Final = 60.0
_CALL_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


class KubectlError(RuntimeError):
    """kubectl refused; the message is what it printed."""


class Refused(RuntimeError):
    """The API server refused a call; the message is its own."""

    def __init__(self, code: int, message: str) -> None:
        """Takes the HTTP status and the message."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Identity:
    """Certificates of a cluster: its authority, its own and the administrator's."""

    authority: Path
    serving: Path
    admin: Path


class KubernetesApi:
    """A control plane. Use `running_kubernetes`."""

    def __init__(self, folder: Path, programs: KubernetesPrograms, stack: ExitStack) -> None:
        """Takes a folder for all files and the stack that ends what is started."""
        self._folder = folder
        self._programs = programs
        self._identity = _make_identity(folder)
        self._port = free_port()
        self._etcd_port = free_port()
        self._tls = ssl.create_default_context(cafile=str(self._identity.authority))
        self._tls.load_cert_chain(self._identity.admin)
        self._stack = stack
        self._api: tuple[ExitStack, Child] | None = None
        stack.enter_context(running(self._etcd_command(), log=folder / "etcd.log"))
        stack.callback(self.stop)
        self.kubeconfig = self._write_kubeconfig(
            "admin", {"client-certificate": str(self._identity.admin), "client-key": self._key()}
        )
        self.start()

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def authority(self) -> Path:
        """The certificate authority of the API server, in PEM."""
        return self._identity.authority

    def start(self) -> None:
        """Starts the API server on its port and waits until it is ready.

        Raises:
            StartError: it ended or was not ready in time.
        """
        stack = ExitStack()
        log = self._folder / "kube-apiserver.log"
        child = stack.enter_context(running(self._api_command(), log=log))
        self._api = (stack, child)
        give_up_at = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if child.process.poll() is not None or time.monotonic() > give_up_at:
                raise StartError(f"kube-apiserver is not ready:\n{log.read_text()[-3000:]}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Kills the API server, as a node that fails would; etcd goes on."""
        if self._api is not None:
            stack, child = self._api
            self._api = None
            child.kill()
            stack.close()

    def compact(self) -> None:
        """Lets etcd forget all but the newest state, so that older watches have expired."""
        status = self._etcd("maintenance/status", {})
        self._etcd("kv/compaction", {"revision": status["header"]["revision"], "physical": True})

    def kubectl(self, *arguments: str, text: str = "", kubeconfig: Path | None = None) -> str:
        """Runs kubectl as the administrator (or as given) and returns what it printed.

        Args:
            arguments: as on the command line.
            text: standard input, for `apply -f -`.
            kubeconfig: somebody else's.

        Raises:
            KubectlError: it ended with another code than 0.
        """
        answer = subprocess.run(
            [self._programs.kubectl, f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_CALL_SECONDS,
        )
        if answer.returncode:
            raise KubectlError(answer.stderr.strip() or answer.stdout.strip())
        return answer.stdout

    def apply(self, *documents: dict[str, Any]) -> str:
        """Applies resources as `kubectl apply -f` does."""
        return self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(documents))

    def put(self, path: str, document: dict[str, Any]) -> None:
        """Applies one resource to a collection, far quicker than kubectl: server-side apply."""
        name = document["metadata"]["name"]
        self.call("PATCH", f"{path}/{name}?fieldManager=test&force=true", document)

    def put_many(self, documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Creates resources, given with the paths of their collections, over one connection."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls)
        for path, document in documents:
            head = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(document), head)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != http.HTTPStatus.CREATED:
                raise Refused(answer.status, json.loads(content)["message"])
        connection.close()

    def get(self, *arguments: str) -> Any:  # noqa: ANN401 - parsed JSON
        """Returns what `kubectl get … -o json` prints."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Calls the API server as the administrator: far quicker than kubectl.

        Raises:
            Refused: it answered an error.
        """
        content = "json"
        if method == "PATCH":
            content = "apply-patch+yaml" if "fieldManager=" in path else "merge-patch+json"
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": f"application/{content}"},
        )
        try:
            with urllib.request.urlopen(
                request, context=self._tls, timeout=_CALL_SECONDS
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.load(error)["message"]) from error

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Writes a kubeconfig with a fresh token of a ServiceAccount, and nothing else."""
        token = self.token(namespace, name)
        return self._write_kubeconfig(f"{namespace}-{name}", {"token": token})

    def token(self, namespace: str, name: str, *options: str) -> str:
        """Returns a token of a ServiceAccount, as a projected volume would hold it."""
        return self.kubectl("create", "token", name, "-n", namespace, *options).strip()

    def _is_ready(self) -> bool:
        try:
            return self.kubectl("get", "--raw", "/readyz") == "ok"
        except KubectlError:
            return False

    def _key(self) -> str:
        return str(self._identity.admin)  # one file holds certificate and key

    def _write_kubeconfig(self, user: str, credential: dict[str, str]) -> Path:
        path = self._folder / f"{user}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self._identity.authority)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": credential}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(document))
        path.chmod(0o600)
        return path

    def _etcd(self, method: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - parsed JSON
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._etcd_port}/v3/{method}", data=json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=_CALL_SECONDS) as answer:
            return json.load(answer)

    def _etcd_command(self) -> Sequence[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        return (
            str(self._programs.etcd),
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # a test's cluster need not survive a power cut
            "--log-level=error",
        )

    def _api_command(self) -> Sequence[str]:
        identity = self._identity
        return (
            str(self._programs.kube_apiserver),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={identity.serving}",
            f"--tls-private-key-file={identity.serving}",
            f"--client-ca-file={identity.authority}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={identity.serving}",
            f"--service-account-signing-key-file={identity.serving}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",  # loopback is no address for a Service
            f"--cert-dir={self._folder / 'generated'}",
        )


@contextmanager
def running_kubernetes() -> Iterator[KubernetesApi]:
    """Starts a control plane and ends it with everything it wrote.

    Raises:
        ProgramsMissing: its programs are not there and can't be built.
        StartError: it did not come up in time.
    """
    programs = kubernetes_programs()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kubernetes-")))
        yield KubernetesApi(folder, programs, stack)


def _make_identity(folder: Path) -> _Identity:
    """Makes an authority, the API server's certificate and the administrator's."""
    authority = trustme.CA(organization_name="test cluster")
    serving = authority.issue_cert("127.0.0.1", "localhost")
    admin = authority.issue_cert("admin", common_name="admin", organization_name=_ADMIN_GROUP)
    identity = _Identity(folder / "ca.pem", folder / "serving.pem", folder / "admin.pem")
    authority.cert_pem.write_to_path(identity.authority)
    serving.private_key_and_cert_chain_pem.write_to_path(identity.serving)
    admin.private_key_and_cert_chain_pem.write_to_path(identity.admin)
    return identity
