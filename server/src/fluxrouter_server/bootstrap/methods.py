"""All that is served by gRPC: our own services, and those of other gateways' protocols."""

from secrets import token_hex
from typing import Final

from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.methods import HOT_SERVICES as OWN_HOT_SERVICES
from fluxrouter_server.api.methods import Access, AnyMethod, UnaryMethod, method_table
from fluxrouter_server.bootstrap.stores import Stores
from fluxrouter_server.bootstrap.use_cases import UseCases, build_apis
from fluxrouter_server.gateways import ext_authz
from fluxrouter_server.gateways.ext_authz import CheckRequest, CheckResponse, ExtAuthz
from fluxrouter_server.services.callers import Scope

__all__ = ["HOT_SERVICES", "served_methods"]

#: Those that are called for each request of an account's.
HOT_SERVICES: Final = (*OWN_HOT_SERVICES, ext_authz.SERVICE)
_REQUEST_ID_BYTES: Final = 16
#: A gateway speaks for all accounts, so no account's own key is one's credential.
_GATEWAY: Final = Access(frozenset({Scope.ROUTE}))


def served_methods(use_cases: UseCases, stores: Stores) -> tuple[AnyMethod, ...]:
    """Returns every method of every service, over the use cases."""
    gateway = ExtAuthz(
        routes=use_cases.routes,
        caps=use_cases.caps,
        metering=use_cases.metering,
        random=lambda: token_hex(_REQUEST_ID_BYTES),
    )

    async def check(request: CheckRequest, context: CallContext) -> CheckResponse:
        return await gateway.check(request, context.caller, context.time_left_us)

    return (
        *method_table(build_apis(use_cases, stores)),
        UnaryMethod(ext_authz.SERVICE, "Check", CheckRequest, _GATEWAY, check),
    )
