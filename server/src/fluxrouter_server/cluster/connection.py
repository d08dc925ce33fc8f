"""The connection to the cluster's API server that whatever asks it shares."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

__all__ = ["connected_api"]


@asynccontextmanager
async def connected_api() -> AsyncIterator["ApiClient"]:
    """Yields the official client: as a pod of the cluster, else by `KUBECONFIG`.

    Raises:
        kubernetes.aio.config.ConfigException: there is no cluster.
    """
    # Only here: most servers have no use for it, and it costs memory.
    from kubernetes.aio import config  # noqa: PLC0415
    from kubernetes.aio.client import ApiClient, Configuration  # noqa: PLC0415

    configuration = Configuration()
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    else:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig, client_configuration=configuration
        )
    async with ApiClient(configuration) as api:
        yield api
