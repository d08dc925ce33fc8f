"""The watch streams: kopf delivers what happens, the view takes it in, the reconciler looks.

Nothing is decided here, and kopf's own indices are not used: with ten thousand objects the start of
an indexed operator takes kopf minutes (docs/adr/0006).
"""

from collections.abc import Mapping
from typing import Any, Final

import kopf

from fluxrouter_operator.observed import GROUP, VERSION, Kind, observe
from fluxrouter_operator.reconcile.reconciler import Reconciler

__all__ = ["registry", "settings"]

# An idle worker of kopf's is a task with a queue; ten thousand of them should not linger.
_IDLE_SECONDS: Final = 1.0
# Long lists come in pages, so that neither side holds all of it at once.
_PAGE: Final = 500
_RECONNECT_SECONDS: Final = 0.1
_DELETED: Final = "DELETED"

Event = Mapping[str, Any]


def settings() -> kopf.OperatorSettings:
    """Returns how kopf is to behave: it watches, and writes nothing by itself."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    # Our kinds don't come and go while we run; to watch for that, we would have to be allowed to
    # read every custom resource definition of the cluster.
    chosen.scanning.disabled = True
    chosen.queueing.idle_timeout = _IDLE_SECONDS
    chosen.watching.chunk_size = _PAGE
    chosen.watching.reconnect_backoff = _RECONNECT_SECONDS
    return chosen


def registry(reconciler: Reconciler) -> kopf.OperatorRegistry:
    """Returns the handlers that tell the reconciler of every event."""
    handlers = kopf.OperatorRegistry()
    for kind in Kind:
        _register_kind(handlers, kind, reconciler)

    @kopf.on.event("v1", "namespaces", registry=handlers)
    async def namespace_seen(event: Event, **_: object) -> None:
        meta = event["object"]["metadata"]
        if event["type"] == _DELETED:
            reconciler.namespace_gone(meta["name"])
        else:
            reconciler.namespace_seen(meta["name"], meta.get("labels", {}))

    @kopf.on.login(registry=handlers)
    def login(**options: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's own
        from_file = kopf.login_with_kubeconfig(**options)
        return from_file or kopf.login_with_service_account(**options)

    return handlers


def _register_kind(handlers: kopf.OperatorRegistry, kind: Kind, reconciler: Reconciler) -> None:
    @kopf.on.event(GROUP, VERSION, kind.plural, id=f"{kind.plural}_seen", registry=handlers)
    async def seen(event: Event, **_: object) -> None:
        observed = observe(kind, event["object"])
        if event["type"] == _DELETED:
            reconciler.resource_gone(observed)
        else:
            reconciler.resource_seen(observed)
