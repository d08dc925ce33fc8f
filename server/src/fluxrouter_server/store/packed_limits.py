"""What scripts need of an account's limits, packed once for each `Limits` and used many times.

The shapes are those that `lua/lib/admission.lua` and `lua/lib/records.lua` name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgpack

from fluxrouter_server.domain.ids import KeyName
from fluxrouter_server.domain.limits import (
    ABSORBED_LEVEL,
    ACCOUNT_LEVEL,
    HOUR_LEVEL,
    Limits,
    budgets_for,
    key_limits,
)
from fluxrouter_server.domain.plans import Enforcement, OnExpiry, Overage

__all__ = ["LimitsPacker", "PackedLimits", "level_name", "pack"]

_NO_CAP: Final = -1
_NO_LIMIT: Final = 0
_SECOND_US: Final = 1_000_000
_MINUTE_US: Final = 60 * _SECOND_US
_LIMITS_REMEMBERED: Final = 20_000
"""About 1 KB each; beyond it all are forgotten at once, which costs microseconds an account."""

_REQUESTS_REMEMBERED: Final = 64
"""Of one account. A label that is different in each request makes this useless, not wrong."""

_Alike: TypeAlias = tuple[KeyName | str | tuple[str, str] | None, ...]
"""Key, model that was asked for, and the labels."""

_LEVEL_NAMES: Final = {b"a": ACCOUNT_LEVEL, b"H": HOUR_LEVEL, b"abs": ABSORBED_LEVEL}


def pack(value: object) -> bytes:
    """Write msgpack that the store's scripts can read: they know no binary type."""
    packed: bytes = _packer.pack(value)
    return packed


# One for all, because to make one takes longer than what it is made for.
_packer = msgpack.Packer(use_bin_type=False, unicode_errors="surrogatepass")


def level_name(short: bytes) -> str:
    """A level as callers know it, from its name in the store: `b/<name>` is `budget/<name>`."""
    known = _LEVEL_NAMES.get(short)
    if known is not None:
        return known
    kind, _, name = short.decode().partition("/")
    return f"{'budget' if kind == 'b' else 'key'}/{name}"


@dataclass(slots=True)
class PackedLimits:
    """Blobs of one `Limits`.

    Attributes:
        limits: What they are of, kept so that its identity stays its own.
        generations: Of account, plan and catalog.
        gate: What admission compares and limits.
        terms: What is stamped on each hold.
        caps: Cap by level, levels without one left out.
        alerts: Percentages with the amounts that they come to.
        all_levels: Every level of the account with its cap, in the order of `SpendReading`.
    """

    limits: Limits
    generations: tuple[str, str, str]
    gate: bytes
    terms: bytes
    caps: bytes
    alerts: bytes
    all_levels: bytes
    _levels: dict[tuple[KeyName | None, tuple[str, ...]], bytes] = field(default_factory=dict)
    _requests: dict[_Alike, tuple[bytes, bytes]] = field(default_factory=dict)

    def request(
        self, labels: Mapping[str, str], key: KeyName | None, model_asked: str
    ) -> tuple[bytes, bytes]:
        """The levels that such a request counts against, and its origin (`lua/lib/records.lua`)."""
        alike = (key, model_asked, *labels.items())
        known = self._requests.get(alike)
        if known is None:
            if len(self._requests) >= _REQUESTS_REMEMBERED:
                self._requests.clear()
            origin = pack((key or "", dict(labels), model_asked, self.generations[2]))
            known = self._requests[alike] = (self.levels(labels, key), origin)
        return known

    def levels(self, labels: Mapping[str, str], key: KeyName | None) -> bytes:
        """The levels that a request with these labels and that key counts against."""
        limits = self.limits
        budgets = budgets_for(limits, labels) if limits.budgets else ()
        which = (key, tuple([budget.name for budget in budgets]))
        packed = self._levels.get(which)
        if packed is None:
            flat = [
                *_month_and_hour(limits),
                *_flat_budgets((b.name, b.cap_nano_usd) for b in budgets),
            ]
            if key is not None:
                flat += [f"k/{key}", _cap(key_limits(limits, key).cap_nano_usd)]
            packed = self._levels[which] = pack(flat)
        return packed


class LimitsPacker:
    """Packs limits, and remembers what it packed by the identity of the value.

    Args:
        remembered: At most so many.
        most_lag_ms: See `HoldTiming`; it travels with the gate, which each admission is given.
    """

    def __init__(self, remembered: int = _LIMITS_REMEMBERED, *, most_lag_ms: int = 0) -> None:
        self._remembered = remembered
        self._most_lag_ms = most_lag_ms
        self._packed: dict[int, PackedLimits] = {}

    def pack(self, limits: Limits) -> PackedLimits:
        """The blobs of these limits."""
        packed = self._packed.get(id(limits))
        if packed is None:
            if len(self._packed) >= self._remembered:
                self._packed.clear()
            packed = self._packed[id(limits)] = _pack_limits(limits, self._most_lag_ms)
        return packed


def _pack_limits(limits: Limits, most_lag_ms: int) -> PackedLimits:
    generations = (
        str(limits.account_generation),
        str(limits.plan_generation),
        str(limits.catalog_generation),
    )
    levels = _all_levels(limits)
    alerts = [
        number
        for percent in limits.alert_percents
        for number in (percent, -(-limits.month_cap_nano_usd * percent // 100))
    ]
    return PackedLimits(
        limits=limits,
        generations=generations,
        gate=pack(_gate(limits, generations) | {"most_lag": most_lag_ms} | _absorbing(limits)),
        terms=pack(
            [
                limits.plan,
                generations[1],
                limits.included_credit_nano_usd,
                int(limits.overage is Overage.METERED),
                int(limits.holds.on_expiry is OnExpiry.CHARGE),
                alerts,
            ]
        ),
        caps=pack({name: cap for name, cap in _pairs(levels) if cap != _NO_CAP}),
        alerts=pack(alerts),
        all_levels=pack(levels),
    )


def _absorbing(limits: Limits) -> dict[str, int]:
    stop = limits.absorbed_stop_nano_usd
    return {} if stop is None else {"most_absorbed": stop}


def _gate(limits: Limits, generations: tuple[str, str, str]) -> dict[str, object]:
    rates = limits.rate_limits
    interval_us = request_burst_us = _NO_LIMIT
    if rates.requests_per_second is not None:
        # Rounded up: an account never goes faster than its rate says.
        interval_us = -(-_SECOND_US // rates.requests_per_second)
        request_burst_us = interval_us * (rates.request_burst or rates.requests_per_second)
    token_burst = token_burst_us = _NO_LIMIT
    if rates.tokens_per_minute is not None:
        token_burst = rates.token_burst or rates.tokens_per_minute
        token_burst_us = -(-token_burst * _MINUTE_US // rates.tokens_per_minute)
    account, plan, catalog = generations
    return {
        "account": account,
        "plan": plan,
        "catalog": catalog,
        "payment_missing": int(limits.payment_method_missing),
        "observe": int(limits.enforcement is Enforcement.OBSERVE),
        "expiry": limits.holds.expiry_seconds * _SECOND_US,
        "least_output": limits.holds.min_output_tokens,
        "interval": interval_us,
        "request_burst": request_burst_us,
        "tokens_per_minute": rates.tokens_per_minute or _NO_LIMIT,
        "token_burst": token_burst,
        "token_burst_us": token_burst_us,
        "most_in_flight": rates.max_in_flight or _NO_LIMIT,
    }


def _all_levels(limits: Limits) -> list[str | int]:
    budgets = sorted((budget.name, budget.cap_nano_usd) for budget in limits.budgets)
    names = sorted({*limits.keys, *(secret.name for secret in limits.secrets.values())})
    flat = [*_month_and_hour(limits), *_flat_budgets(budgets)]
    for name in names:
        flat += [f"k/{name}", _cap(key_limits(limits, name).cap_nano_usd)]
    return flat


def _month_and_hour(limits: Limits) -> list[str | int]:
    return ["a", limits.month_cap_nano_usd, "H", _cap(limits.hourly_cap_nano_usd)]


def _flat_budgets(budgets: Iterable[tuple[str, int]]) -> list[str | int]:
    return [word for name, cap in budgets for word in (f"b/{name}", cap)]


def _cap(cap_nano_usd: int | None) -> int:
    return _NO_CAP if cap_nano_usd is None else cap_nano_usd


def _pairs(flat: list[str | int]) -> Iterable[tuple[str | int, str | int]]:
    return zip(flat[::2], flat[1::2], strict=True)
