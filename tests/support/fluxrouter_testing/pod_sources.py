"""What a workload's pods are given by the cluster: files of volumes, environment, tokens."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxrouter_testing.kubernetes_api import KubernetesApi

__all__ = ["PodSources", "Workload"]

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or Pod, and the namespace it is in."""

    namespace: str
    document: Document

    @property
    def pod(self) -> Document:
        """The spec of its pods."""
        spec: Document = self.document["spec"]
        found: Document = spec["template"]["spec"] if "template" in spec else spec
        return found

    @property
    def volumes(self) -> Sequence[Document]:
        """Its pods' volumes; those of claim templates are empty."""
        claims = self.document["spec"].get("volumeClaimTemplates", ())
        claimed = [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claims]
        return [*self.pod.get("volumes", ()), *claimed]


@dataclass(frozen=True, slots=True)
class PodSources:
    """Reads the objects that a workload's pods name, as they are in the cluster now."""

    api: KubernetesApi
    workload: Workload

    def files(self, volume: Document) -> dict[str, bytes]:
        """Returns the files of a volume."""
        if "configMap" in volume:
            data = self._object("configmap", volume["configMap"]["name"])["data"]
            return {name: text.encode() for name, text in data.items()}
        if "secret" in volume:
            data = self._secret(volume["secret"]["secretName"])
            items = volume["secret"].get("items") or [{"key": key, "path": key} for key in data]
            return {item["path"]: data[item["key"]] for item in items}
        if "projected" in volume:
            (source,) = volume["projected"]["sources"]
            token = source["serviceAccountToken"]
            issued = self.api.token(
                self.workload.namespace,
                self.workload.pod["serviceAccountName"],
                f"--audience={token['audience']}",
            )
            return {token["path"]: issued.encode()}
        assert {"emptyDir", "persistentVolumeClaim"} & set(volume), volume
        return {}

    def environment(self, container: Document) -> dict[str, str]:
        """Returns a container's environment."""
        found: dict[str, str] = {}
        for item in container.get("envFrom", ()):
            data = self._secret(item["secretRef"]["name"])
            found |= {key: value.decode() for key, value in data.items()}
        for variable in container.get("env", ()):
            if "value" in variable:
                found[variable["name"]] = variable["value"]
            else:
                source = variable["valueFrom"]["secretKeyRef"]
                found[variable["name"]] = self._secret(source["name"])[source["key"]].decode()
        return found

    def kubeconfig(self) -> Path | None:
        """Returns who the pods are for the cluster; None where they are given no token."""
        if not self.workload.pod["automountServiceAccountToken"]:
            return None
        account = self.workload.pod["serviceAccountName"]
        return self.api.service_account_kubeconfig(self.workload.namespace, account)

    def _secret(self, name: str) -> dict[str, bytes]:
        data = self._object("secret", name).get("data", {})
        return {key: base64.b64decode(text) for key, text in data.items()}

    def _object(self, kind: str, name: str) -> Document:
        found: Document = self.api.get(kind, name, "-n", self.workload.namespace)
        return found
