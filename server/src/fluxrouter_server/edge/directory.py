"""The upstreams of the catalog in force, as something that can be called."""

from collections.abc import Callable, Mapping

from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.ids import ModelId
from fluxrouter_server.edge.upstreams import Upstream

__all__ = ["CatalogDirectory", "upstreams_of"]


class CatalogDirectory:
    """See `UpstreamDirectory`. Empty before the first update.

    Args:
        secrets: Returns the credentials of today by the name of their variable.
        simulator_url: Where models are answered whose upstream is not described; empty: nowhere.
    """

    def __init__(self, secrets: Callable[[], Mapping[str, str]], simulator_url: str) -> None:
        self._secrets = secrets
        self._simulator_url = simulator_url
        self._upstreams: Mapping[str, Upstream] = {}
        self._models: Mapping[str, frozenset[ModelId]] = {}

    def update(self, catalog: Catalog | None) -> None:
        """Take a catalog, if there is one, as that in force."""
        if catalog is None:
            self._upstreams, self._models = {}, {}
            return
        self._upstreams = upstreams_of(catalog, self._secrets(), self._simulator_url)
        by_upstream: dict[str, set[ModelId]] = {}
        for model in catalog.models.values():
            by_upstream.setdefault(model.upstream, set()).add(model.id)
        self._models = {name: frozenset(models) for name, models in by_upstream.items()}

    def find(self, name: str) -> Upstream | None:
        """Return the upstream of that name; None where it is not configured."""
        return self._upstreams.get(name)

    def models_without(self, usable: Callable[[str], bool]) -> frozenset[ModelId]:
        """Return the models whose upstream is not configured, or not `usable`."""
        sick = [n for n in self._models if n not in self._upstreams or not usable(n)]
        return frozenset().union(*(self._models[name] for name in sick))


def upstreams_of(
    catalog: Catalog, secrets: Mapping[str, str], simulator_url: str
) -> dict[str, Upstream]:
    """Return the upstreams that can be called, by name.

    One whose credential is not there cannot be. One that models name and nobody describes is the
    simulator's, where there is one.
    """
    found = {
        one.name: Upstream(
            one.name,
            one.base_url,
            secrets.get(one.credential_variable, ""),
            float(one.timeout_seconds),
            one.endpoints,
        )
        for one in catalog.upstreams.values()
        if not one.credential_variable or secrets.get(one.credential_variable)
    }
    if simulator_url:
        for model in catalog.models.values():
            if model.upstream not in catalog.upstreams:
                found.setdefault(model.upstream, Upstream(model.upstream, simulator_url))
    return found
