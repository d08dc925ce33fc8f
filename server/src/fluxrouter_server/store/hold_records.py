"""Reads what scripts keep of holds: live ones and ended ones are msgpack arrays of one shape.

The indices are those of `lua/lib/records.lua` less one: Lua counts from 1.
"""

from typing import Any, Final

import msgpack

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.domain.hold_ids import HoldRef, format_hold_id
from fluxrouter_server.domain.holds import Candidate, Hold, HoldState, PricedModel, Receipt
from fluxrouter_server.domain.ids import AccountUid, LaneId, ModelId, RequestId
from fluxrouter_server.domain.pricing import Rates
from fluxrouter_server.domain.values import per_call_value
from fluxrouter_server.store.keys import shard_of
from fluxrouter_server.store.packed_limits import pack

__all__ = ["HoldKey", "pack_offer", "read_hold", "read_offer", "read_receipt", "unpack"]

_ATTEMPT, _EPOCH, _ADMITTED, _EXPIRE, _HELD, _GRANTED = 0, 3, 4, 5, 6, 7
_PERIOD_END, _REQUEST_ID, _TIER, _OFFER, _HEADROOM, _WOULD_DENY = 10, 15, 16, 17, 20, 21
_STATE = 22
_US_PER_MS: Final = 1_000
_OFFER_HEAD: Final = b"\x9b"  # msgpack's array of eleven
_MODELS_REMEMBERED: Final = 50_000
"""Some 300 bytes each. Beyond it all are forgotten at once: packing one again takes 2 µs."""

_packed_models: dict[int, tuple[PricedModel, bytes]] = {}


@per_call_value
class HoldKey:
    """Under what a record lies: its account and its request's key."""

    uid: AccountUid
    request_key: str

    def ref(self, epoch: int, admitted_us: int, attempt: int) -> HoldRef:
        """Name a hold that lies there."""
        return HoldRef(
            shard=shard_of(self.uid),
            epoch=epoch,
            admitted_ms=admitted_us // _US_PER_MS,
            uid=self.uid,
            request_key=self.request_key,
            attempt=attempt,
        )


def unpack(blob: bytes) -> Any:  # noqa: ANN401 - raw data, given its types by who asked for it
    """Read msgpack that a script or `packed_limits.pack` wrote; texts are bytes."""
    return msgpack.unpackb(blob, raw=True, strict_map_key=False)


def pack_offer(candidate: Candidate) -> bytes:
    """Write a candidate as scripts read and keep it: an array of its sizes and of what is priced.

    The latter is most of it, and the same for every candidate of a model, so it is remembered.
    """
    priced = candidate.priced
    known = _packed_models.get(id(priced))
    if known is None:
        known = _remember(priced)
    sizes = pack((candidate.input_tokens, candidate.output_tokens, candidate.choices))
    return _OFFER_HEAD + sizes[1:] + known[1]


def _remember(priced: PricedModel) -> tuple[PricedModel, bytes]:
    """Packs all but the head of the array, and keeps the model so that its identity stays its."""
    if len(_packed_models) >= _MODELS_REMEMBERED:
        _packed_models.clear()
    rates = priced.rates
    words = (
        *(rates.input_nano_usd, rates.cached_input_nano_usd),
        *(rates.cache_write_nano_usd, rates.output_nano_usd),
        *(priced.model, priced.lane, priced.upstream, priced.upstream_model),
    )
    known = _packed_models[id(priced)] = (priced, pack(words)[1:])
    return known


def read_offer(blob: bytes) -> Candidate:
    """Read what `pack_offer` wrote."""
    (
        input_tokens, output_tokens, choices, fresh, cached, cache_write, output,
        model, lane, upstream, upstream_model,
    ) = unpack(blob)  # fmt: skip
    priced = PricedModel(
        model=ModelId(model.decode()),
        lane=LaneId(lane.decode()),
        upstream=upstream.decode(),
        upstream_model=upstream_model.decode(),
        rates=Rates(fresh, cached, cache_write, output),
    )
    return Candidate(priced, input_tokens, output_tokens, choices)


def read_hold(blob: bytes, key: HoldKey) -> Hold:
    """Read a hold as it was answered at its admission, with the state that it has now."""
    record = unpack(blob)
    offer = read_offer(record[_OFFER])
    tier = record[_TIER].decode()
    ref = key.ref(record[_EPOCH], record[_ADMITTED], record[_ATTEMPT])
    return Hold(
        id=format_hold_id(ref),
        request_id=RequestId(record[_REQUEST_ID].decode()),
        attempt=record[_ATTEMPT],
        state=_state(record),
        model=offer.model,
        lane=offer.priced.lane,
        upstream=offer.priced.upstream,
        upstream_model=offer.priced.upstream_model,
        tier=Tier(tier) if tier else None,
        rates=offer.rates,
        input_tokens=offer.input_tokens,
        granted_output_tokens=record[_GRANTED],
        wished_output_tokens=offer.output_tokens,
        held_nano_usd=record[_HELD],
        headroom_nano_usd=record[_HEADROOM],
        expire_us=record[_EXPIRE],
        period_end_us=record[_PERIOD_END],
        would_deny=record[_WOULD_DENY].decode(),
    )


def read_receipt(answer: list[Any], key: HoldKey) -> Receipt:
    """Read what an ending came to; of a live hold, which another call keeps, all amounts are 0.

    Args:
        answer: As `receipt` in `lua/lib/lookup.lua` makes it.
        key: Under which the hold lies.
    """
    (
        _, _, was_given, state, attempt, epoch, admitted_us, request_id, offer,
        cost, billed, absorbed, included, metered, headroom,
    ) = answer  # fmt: skip
    words = unpack(offer)
    return Receipt(
        hold_id=format_hold_id(key.ref(epoch, admitted_us, attempt)),
        request_id=RequestId(request_id.decode()),
        attempt=attempt,
        state=HoldState(state.decode()),
        replayed=bool(was_given),
        cost_nano_usd=cost,
        billed_nano_usd=billed,
        absorbed_nano_usd=absorbed,
        included_nano_usd=included,
        metered_nano_usd=metered,
        headroom_nano_usd=headroom,
        model=ModelId(words[7].decode()),
        lane=LaneId(words[8].decode()),
    )


def _state(record: list[Any]) -> HoldState:
    return HoldState(record[_STATE].decode()) if len(record) > _STATE else HoldState.ACTIVE
