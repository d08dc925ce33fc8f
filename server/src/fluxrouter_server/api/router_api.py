"""RouterService: admits requests and lists what may be asked for."""

from fluxrouter.v1 import router_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.wire_decisions import alias_message, model_message, route_response
from fluxrouter_server.api.wire_requests import read_account_ref, read_query
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.routing_service import RouteService

__all__ = ["RouterApi"]


class RouterApi:
    """The methods of `fluxrouter.v1.RouterService`, knowing no transport.

    Args:
        routes: What decides.
    """

    def __init__(self, routes: RouteService) -> None:
        self._routes = routes

    async def route(
        self, message: router_pb2.RouteRequest, context: CallContext
    ) -> router_pb2.RouteResponse | Denial:
        """Answers Route."""
        account = read_account_ref(message.account, message.api_key)
        if isinstance(account, Denial):
            return account
        query = read_query(message)
        if isinstance(query, Denial):
            return query
        routed = await self._routes.route(
            query, account, context.caller, time_left_us=context.time_left_us
        )
        return routed if isinstance(routed, Denial) else route_response(routed)

    async def list_models(
        self, message: router_pb2.ListModelsRequest, context: CallContext
    ) -> router_pb2.ListModelsResponse | Denial:
        """Answers ListModels."""
        account = read_account_ref(message.account, message.api_key)
        if isinstance(account, Denial):
            return account
        offer = await self._routes.list_models(account, context.caller)
        if isinstance(offer, Denial):
            return offer
        return router_pb2.ListModelsResponse(
            models=[model_message(model) for model in offer.models],
            aliases=[alias_message(alias) for alias in offer.aliases],
        )
