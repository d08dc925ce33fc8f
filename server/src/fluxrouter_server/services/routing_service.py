"""Routes a request: chooses the model and sets its worst-case cost aside in one atomic step."""

from dataclasses import dataclass

from fluxrouter_server.domain.catalog import Alias, Model
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Hold
from fluxrouter_server.domain.pricing import Rates
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import AccountRef, Caller


@dataclass(frozen=True, slots=True)
class Routed:
    """An admission. Where `replayed`, it was given before and must not lead to an upstream call."""

    hold: Hold
    replayed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model that an account may ask for; `rates` is None where no rate card is in force."""

    model: Model
    rates: Rates | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What an account may ask for, by id."""

    models: tuple[OfferedModel, ...]
    aliases: tuple[Alias, ...]


class RouteService:
    """Route and ListModels."""

    async def route(
        self, query: RouteQuery, account: AccountRef, caller: Caller, *, time_left_us: int | None
    ) -> Routed | Denial:
        """Admit a request or say why not.

        `time_left_us` is how long the caller will wait for the answer; None where it did not say.
        A request without an id is given one, once, so that it is the same in every repetition.

        Raises:
            StoreUnavailable: no decision was had. If one was made all the same it is undone.
        """
        raise NotImplementedError

    async def list_models(self, account: AccountRef, caller: Caller) -> Offer | Denial:
        """List what the account (and the key, where one is used) may ask for.

        Raises:
            StoreUnavailable: the account could not be read.
        """
        raise NotImplementedError
