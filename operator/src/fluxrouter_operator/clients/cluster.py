"""The Kubernetes API server as the operator writes to it: status, finalizers, Secrets, events.

What is watched comes from kopf's streams; everything here is one request and one answer, on the
official client's connection and credentials. The generated classes for each kind are left out: they
would cost more memory than all accounts together.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import quote

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from fluxrouter_operator.clients.errors import (
    ClusterConflict,
    ClusterMissing,
    ClusterRefused,
    ClusterUnreachable,
)
from fluxrouter_operator.observed import API_VERSION, FINALIZER, Key, Kind, Observed

__all__ = ["Cluster", "ClusterClient", "connected_cluster"]

_CALL_SECONDS: Final = 10.0
_PAGE: Final = 500
_UNAUTHORIZED, _MISSING, _CONFLICT, _GONE, _TOO_MANY = 401, 404, 409, 410, 429
_OK: Final = range(200, 300)
_SERVER_FAILED: Final = 500
_JSON: Final = "application/json"
_MERGE_PATCH: Final = "application/merge-patch+json"

Json = Mapping[str, Any]


class Cluster(Protocol):
    """What reconciling needs of the cluster.

    Every method raises ClusterUnreachable, ClusterMissing where the object is gone, ClusterConflict
    where it has changed, and ClusterRefused where it may not.
    """

    def list_resources(self, kind: Kind, namespace: str) -> AsyncIterator[Json]:
        """Yields the resources of a kind, of a namespace or (where it is empty) of all."""
        ...

    def list_namespaces(self) -> AsyncIterator[Json]:
        """Yields all namespaces."""
        ...

    async def write_status(self, observed: Observed, status: Json) -> None:
        """Writes the status of a resource, if it is still the same one.

        It is merged: what is to vanish must be there, empty.
        """
        ...

    async def add_finalizer(self, observed: Observed) -> None:
        """Puts our finalizer on a resource that is as it was observed."""
        ...

    async def remove_finalizer(self, observed: Observed) -> None:
        """Takes our finalizer off a resource that is as it was observed."""
        ...

    async def read_secret(self, namespace: str, name: str) -> Json | None:
        """Reads a Secret; None where there is none."""
        ...

    async def create_secret(self, secret: Json) -> None:
        """Creates a Secret; ClusterConflict where there is one."""
        ...

    async def replace_secret(self, secret: Json, resource_version: str) -> None:
        """Replaces a Secret that still has this version."""
        ...

    async def delete_secret(self, namespace: str, name: str, resource_version: str) -> None:
        """Deletes a Secret that still has this version; one that is gone is no error."""
        ...

    async def create_event(self, event: Json) -> None:
        """Writes an event; one that was written already is no error."""
        ...

    async def serves_our_kinds(self) -> bool:
        """Whether the custom resource definitions are installed."""
        ...


class ClusterClient:
    """The cluster over HTTP."""

    def __init__(self, api: ApiClient) -> None:
        """Takes a client, which somebody else closes."""
        self._api = api

    async def list_resources(self, kind: Kind, namespace: str) -> AsyncIterator[Json]:
        """See Cluster."""
        within = f"namespaces/{namespace}/" if namespace else ""
        async for item in self._pages(f"/apis/{API_VERSION}/{within}{kind.plural}"):
            yield item

    async def list_namespaces(self) -> AsyncIterator[Json]:
        """See Cluster."""
        async for item in self._pages("/api/v1/namespaces"):
            yield item

    async def write_status(self, observed: Observed, status: Json) -> None:
        """See Cluster."""
        patch = {"metadata": {"uid": observed.uid}, "status": status}
        await self._call("PATCH", f"{_path(observed.key)}/status", patch, content_type=_MERGE_PATCH)

    async def add_finalizer(self, observed: Observed) -> None:
        """See Cluster."""
        await self._write_finalizers(observed, [*observed.finalizers, FINALIZER])

    async def remove_finalizer(self, observed: Observed) -> None:
        """See Cluster."""
        others = [finalizer for finalizer in observed.finalizers if finalizer != FINALIZER]
        await self._write_finalizers(observed, others)

    async def read_secret(self, namespace: str, name: str) -> Json | None:
        """See Cluster."""
        try:
            return await self._call("GET", _secret_path(namespace, name))
        except ClusterMissing:
            return None

    async def create_secret(self, secret: Json) -> None:
        """See Cluster."""
        namespace = secret["metadata"]["namespace"]
        await self._call("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)

    async def replace_secret(self, secret: Json, resource_version: str) -> None:
        """See Cluster."""
        meta = {**secret["metadata"], "resourceVersion": resource_version}
        path = _secret_path(meta["namespace"], meta["name"])
        await self._call("PUT", path, {**secret, "metadata": meta})

    async def delete_secret(self, namespace: str, name: str, resource_version: str) -> None:
        """See Cluster."""
        options = {"preconditions": {"resourceVersion": resource_version}}
        try:
            await self._call("DELETE", _secret_path(namespace, name), options)
        except ClusterMissing:
            return

    async def create_event(self, event: Json) -> None:
        """See Cluster."""
        namespace = event["metadata"]["namespace"]
        try:
            await self._call("POST", f"/api/v1/namespaces/{namespace}/events", event)
        except ClusterConflict:
            return

    async def serves_our_kinds(self) -> bool:
        """See Cluster."""
        try:
            await self._call("GET", f"/apis/{API_VERSION}")
        except ClusterMissing:
            return False
        return True

    async def _write_finalizers(self, observed: Observed, finalizers: Sequence[str]) -> None:
        # Others have finalizers too: the list is replaced only as it was seen.
        meta = {"resourceVersion": observed.resource_version, "finalizers": list(finalizers)}
        patch = {"metadata": meta}
        await self._call("PATCH", _path(observed.key), patch, content_type=_MERGE_PATCH)

    async def _pages(self, path: str) -> AsyncIterator[Json]:
        token = ""
        while True:
            query = f"?limit={_PAGE}" + (f"&continue={quote(token)}" if token else "")
            page = await self._call("GET", path + query)
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def _call(
        self, method: str, path: str, body: object = None, *, content_type: str = _JSON
    ) -> Json:
        parameters = await self._api.param_serialize(
            method,
            path,
            header_params={"Accept": _JSON, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._api.call_api(*parameters, _request_timeout=_CALL_SECONDS)
            content: bytes = await response.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise ClusterUnreachable(f"{method} {path}: {error!r}") from error
        if response.status not in _OK:
            _raise(response.status, f"{response.status} {method} {path}: {_message(content)}")
        answer: Json = json.loads(content)
        return answer


@asynccontextmanager
async def connected_cluster() -> AsyncIterator[ClusterClient]:
    """Yields the cluster: as a pod of it, else by `KUBECONFIG` or the user's own kubeconfig.

    Raises:
        kubernetes.aio.config.ConfigException: neither is there.
    """
    configuration = Configuration()
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    else:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig, client_configuration=configuration
        )
    async with ApiClient(configuration) as api:
        yield ClusterClient(api)


def _raise(status: int, message: str) -> None:
    if status == _MISSING:
        raise ClusterMissing(message)
    if status == _CONFLICT:
        raise ClusterConflict(message)
    # A token that has just run out is read anew with the next call, a list that took so long that
    # its next page is gone begins anew.
    if status in {_TOO_MANY, _UNAUTHORIZED, _GONE} or status >= _SERVER_FAILED:
        raise ClusterUnreachable(message)
    raise ClusterRefused(message)


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")


def _path(key: Key) -> str:
    within = f"namespaces/{key.namespace}/" if key.namespace else ""
    return f"/apis/{API_VERSION}/{within}{key.kind.plural}/{key.name}"


def _secret_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"
