"""The watch streams: kopf keeps its indices up to date and says where to look.

Nothing is decided here. An index holds what was seen last of every object; an event handler asks
the reconciler to look. kopf runs no event handler before every index is complete, so no decision is
made on half a cluster.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import kopf

from fluxrouter_operator.observed import GROUP, VERSION, Key, Kind, Observed, observe
from fluxrouter_operator.reconcile.view import View

__all__ = ["ViewReady", "Watching"]

# An idle worker of kopf's is a task with a queue; ten thousand of them should not linger.
_IDLE_SECONDS: Final = 1.0
# Long lists come in pages, so that neither side holds all of it at once.
_PAGE: Final = 500
# A stream that says nothing for longer than the API server's own bookmarks take is dead.
_RECONNECT_SECONDS: Final = 0.1

Body = Mapping[str, Any]
ViewReady = Callable[[View], None]


class Watching:
    """Registers indices and handlers with kopf.

    Args:
        on_resource: called with the key of each of our resources that something happened to.
        on_namespace: called with the name of each namespace that something happened to.
    """

    def __init__(
        self, on_resource: Callable[[Key], None], on_namespace: Callable[[str], None]
    ) -> None:
        self.registry = kopf.OperatorRegistry()
        self._on_resource = on_resource
        self._on_namespace = on_namespace
        self._register_login()
        self._register_namespaces()
        for kind in Kind:
            self._register_kind(kind)
        self._register_accounts()

    @staticmethod
    def settings() -> kopf.OperatorSettings:
        """Returns how kopf is to behave: it watches, and writes nothing by itself."""
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        # Our kinds don't come and go while we run; to watch for that, we would have to be allowed
        # to read every custom resource definition of the cluster.
        settings.scanning.disabled = True
        settings.queueing.idle_timeout = _IDLE_SECONDS
        settings.watching.chunk_size = _PAGE
        settings.watching.reconnect_backoff = _RECONNECT_SECONDS
        return settings

    @staticmethod
    def view(indices: Mapping[str, Any]) -> View:
        """Returns the view of kopf's indices."""
        return View(
            {kind: indices[kind.plural] for kind in Kind},
            indices["accounts_by_plan"],
            indices["accounts_by_namespace"],
            indices["namespaces"],
        )

    def _register_kind(self, kind: Kind) -> None:
        resource = (GROUP, VERSION, kind.plural)

        @kopf.index(*resource, id=kind.plural, registry=self.registry)
        def by_key(body: Body, **_: object) -> dict[Key, Observed]:
            observed = observe(kind, body)
            return {observed.key: observed}

        @kopf.on.event(*resource, id=f"{kind.plural}_seen", registry=self.registry)
        async def seen(namespace: str | None, name: str, **_: object) -> None:
            self._on_resource(Key(kind, namespace or "", name))

    def _register_accounts(self) -> None:
        resource = (GROUP, VERSION, Kind.ACCOUNT.plural)

        @kopf.index(*resource, id="accounts_by_plan", registry=self.registry)
        def by_plan(body: Body, **_: object) -> dict[str, Key]:
            account = observe(Kind.ACCOUNT, body)
            return {str(account.spec.get("plan", "")): account.key}

        @kopf.index(*resource, id="accounts_by_namespace", registry=self.registry)
        def by_namespace(body: Body, **_: object) -> dict[str, Key]:
            key = observe(Kind.ACCOUNT, body).key
            return {key.namespace: key}

    def _register_namespaces(self) -> None:
        @kopf.index("v1", "namespaces", id="namespaces", registry=self.registry)
        def labels(name: str, labels: Mapping[str, str], **_: object) -> dict[str, dict[str, str]]:
            return {name: dict(labels)}

        @kopf.on.event("v1", "namespaces", id="namespaces_seen", registry=self.registry)
        async def seen(name: str, **_: object) -> None:
            self._on_namespace(name)

    def _register_login(self) -> None:
        @kopf.on.login(registry=self.registry)
        def login(**options: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's own
            return kopf.login_with_kubeconfig(**options) or kopf.login_with_service_account(
                **options
            )
