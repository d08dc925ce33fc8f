"""What the cluster's API server checks of each field, beyond the types that the contracts give.

The one table behind the generated CRDs. It says the same as the server's own rules, so that
`kubectl apply` refuses at once what the server would refuse a moment later. A rule is a CEL
expression with a message that says what to do. What needs the whole catalog or a time zone database
is left to the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_MAX_USD = "9007199.254740992"  # 2^53 nano-USD: every sum stays exact below it
_MAX_USD_PER_MILLION = "9000"
_NAME = "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"
_MODEL_ID = "^[A-Za-z0-9._:/-]+$"
_ZONE = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"
_URL = "^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*$"
_MAX_IDS = 1000
_MAX_TOKENS = 100_000_000
_MAX_MODEL_FILE = 512 * 1024 * 4 // 3 + 4  # in base64
_MAX_DAYS_30 = 2_592_000
_DECIMALS = len(".000000001")
# The cluster bounds the work of all rules together by what the largest object could cost, so lists
# that rules compare with each other have to stay below what the server takes.
_MAX_TIER_MODELS = 50


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL expression that must hold, and what to do where it does not.

    `path` names the field that the error points at, relative to where the rule stands. A
    `transition` rule compares with the previous value (`oldSelf`) and holds for updates only.
    """

    cel: str
    message: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Checks of one field. `schema` is OpenAPI as it is written into the CRD."""

    schema: dict[str, Any] = field(default_factory=dict)
    required: bool = False
    item: Constraint | None = None  # of a list's items, or of a map's values
    rules: tuple[Rule, ...] = ()


def text(max_length: int, *, required: bool = False) -> Constraint:
    """Any text up to so many characters."""
    least = {"minLength": 1} if required else {}
    return Constraint(schema={**least, "maxLength": max_length}, required=required)


def matching(pattern: str, max_length: int, message: str, *, required: bool = False) -> Constraint:
    """A text of a certain form; the message says which, where a pattern alone would puzzle."""
    return Constraint(
        schema={"maxLength": max_length},
        required=required,
        rules=(Rule(f"self.matches('{pattern}')", message),),
    )


def name(*, required: bool = False) -> Constraint:
    """A name as everything inside an account has."""
    message = (
        "use 1 to 63 lower-case letters, digits, - and ., beginning and ending with a letter or "
        "digit"
    )
    return matching(_NAME, 63, message, required=required)


def amount(
    *, default: str | None = None, required: bool = False, most: str = _MAX_USD
) -> Constraint:
    """USD as a decimal string, exact to the nano-USD."""
    longest = len(most.partition(".")[0]) + _DECIMALS
    schema: dict[str, Any] = {"minLength": 1, "maxLength": longest}
    if default is not None:
        schema["default"] = default
    rules = (
        Rule(
            "self.matches('^[0-9]+(\\\\.[0-9]{1,9})?$')",
            'write an amount in USD as a quoted string of digits with at most 9 decimals: "1.00"',
        ),
        Rule(
            f"!isQuantity(self) || quantity(self).compareTo(quantity('{most}')) <= 0",
            f"use an amount from 0 to {most} USD",
        ),
    )
    return Constraint(schema=schema, required=required, rules=rules)


def number(
    low: int, high: int, *, default: int | None = None, required: bool = False
) -> Constraint:
    """A number between two bounds, both included."""
    schema: dict[str, Any] = {"minimum": low, "maximum": high}
    if default is not None:
        schema["default"] = default
    return Constraint(schema=schema, required=required)


def one_of(*values: str, default: str | None = None, required: bool = False) -> Constraint:
    """One of a closed set of words."""
    schema: dict[str, Any] = {"enum": list(values)}
    if default is not None:
        schema["default"] = default
    return Constraint(schema=schema, required=required)


def some(
    item: Constraint | None,
    max_items: int,
    *,
    least: int = 0,
    kind: str = "set",
    more: dict[str, Any] | None = None,
) -> Constraint:
    """A list; `kind` is Kubernetes' list type: who may merge what into it."""
    schema: dict[str, Any] = {"minItems": least} if least else {}
    schema |= {"maxItems": max_items, "x-kubernetes-list-type": kind, **(more or {})}
    return Constraint(schema=schema, required=bool(least), item=item)


def keyed(key: str, max_items: int, *, least: int = 0) -> Constraint:
    """A list of objects that are told apart by one of their fields, which is unique."""
    keys = {"x-kubernetes-list-map-keys": [key]}
    return some(None, max_items, least=least, kind="map", more=keys)


ANYTHING = Constraint()
_OFF = Constraint(schema={"default": False})
_DEFAULTS = Constraint(schema={"default": {}})  # so that the defaults inside apply
_DISPLAY_NAME = text(128)
_ID_OF_A_MODEL = matching(
    _MODEL_ID, 128, "use 1 to 128 letters, digits, -, _, ., : and /", required=True
)
_ID_OF_A_LANE = matching(
    "^[a-z0-9-]+$", 63, "use 1 to 63 lower-case letters, digits and -", required=True
)
_LABELS = Constraint(
    schema={"minProperties": 1, "maxProperties": 16}, required=True, item=text(128)
)
_INSTANT = Constraint(
    rules=(Rule("self >= timestamp('1970-01-01T00:00:00Z')", "give an instant after 1970"),)
)
_RATE = amount(most=_MAX_USD_PER_MILLION)

#: One entry for each field of each message that a spec is made of.
FIELDS: dict[str, Constraint] = {
    "PlanSpec.display_name": _DISPLAY_NAME,
    "PlanSpec.description": text(1024),
    "PlanSpec.fee_usd": amount(default="0"),
    "PlanSpec.included_credit_usd": amount(default="0"),
    "PlanSpec.cap_usd": amount(),
    "PlanSpec.ceiling_usd": amount(),
    "PlanSpec.overage": one_of("none", "metered", default="none"),
    "PlanSpec.hourly_cap_usd": amount(),
    "PlanSpec.rate_limits": ANYTHING,
    "PlanSpec.lanes": some(text(63), _MAX_IDS),
    "PlanSpec.models": some(text(128), _MAX_IDS),
    "PlanSpec.payment_method_required": _OFF,
    "PlanSpec.enforcement": one_of("enforce", "observe", default="enforce"),
    "PlanSpec.holds": _DEFAULTS,
    "PlanSpec.alert_percents": some(number(1, 100), 100, more={"default": [80, 100]}),
    "PlanSpec.namespace_selector": ANYTHING,
    "PlanSpec.absorbed_stop_usd": amount(),
    "RateLimits.requests_per_second": number(0, 1_000_000),
    "RateLimits.request_burst": number(0, 1_000_000),
    "RateLimits.tokens_per_minute": number(0, 1_000_000_000),
    "RateLimits.token_burst": number(0, 1_000_000_000),
    "RateLimits.max_in_flight": number(0, 1_000_000),
    "HoldRules.expiry_seconds": number(0, 3600, default=120),
    "HoldRules.on_expiry": one_of("charge", "release", default="charge"),
    "HoldRules.min_output_tokens": number(0, _MAX_TOKENS, default=16),
    "LabelSelector.match_labels": Constraint(schema={"maxProperties": 64}, item=text(63)),
    "LabelSelector.match_expressions": some(None, 64, kind="atomic"),
    "LabelSelectorRequirement.key": text(317, required=True),
    "LabelSelectorRequirement.operator": one_of(
        "In", "NotIn", "Exists", "DoesNotExist", required=True
    ),
    "LabelSelectorRequirement.values": some(text(63), 64),
    "AccountSpec.display_name": _DISPLAY_NAME,
    "AccountSpec.plan": name(required=True),
    "AccountSpec.billing": _DEFAULTS,
    "AccountSpec.payment_method": one_of("none", "card", "invoice", default="none"),
    "AccountSpec.suspended": _OFF,
    "AccountSpec.overrides": ANYTHING,
    "AccountSpec.budgets": keyed("name", 64),
    "AccountSpec.api_keys": keyed("name", 256),
    "AccountSpec.near_cap": one_of("cheaper-lane", "same-tier", default="cheaper-lane"),
    "Billing.anchor_day": number(1, 31, default=1),
    "Billing.time_zone": Constraint(
        schema={"maxLength": 64, "default": "UTC"},
        rules=(Rule(f"self.matches('{_ZONE}')", "use an IANA name such as Europe/Berlin, or UTC"),),
    ),
    "LimitOverrides.cap_usd": amount(),
    "LimitOverrides.hourly_cap_usd": amount(),
    "LimitOverrides.rate_limits": ANYTHING,
    "Budget.name": name(required=True),
    "Budget.match_labels": _LABELS,
    "Budget.cap_usd": amount(required=True),
    "ApiKeySpec.name": name(required=True),
    "ApiKeySpec.cap_usd": amount(),
    "ApiKeySpec.expire_time": _INSTANT,
    "ApiKeySpec.allowed_models": some(text(128), _MAX_IDS),
    "ApiKeySpec.secret": ANYTHING,
    "KeySecret.name": matching(
        "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
        253,
        "use a Secret's name: lower-case letters, digits, - and .",
        required=True,
    ),
    "KeySecret.rotation": number(0, 2**31 - 1, default=0),
    "KeySecret.rotation_grace_seconds": number(0, _MAX_DAYS_30, default=86_400),
    "CatalogSpec.lanes": keyed("id", 64, least=1),
    "CatalogSpec.models": keyed("id", 1000),
    "CatalogSpec.tiers": keyed("tier", 3, least=3),
    "CatalogSpec.aliases": keyed("id", 1000),
    "CatalogSpec.input_margin_percent": number(0, 100, default=0),
    "CatalogSpec.upstreams": keyed("name", 100),
    "CatalogSpec.routing": ANYTHING,
    "Routing.active": ANYTHING,
    "Routing.shadow": ANYTHING,
    "Routing.costs": ANYTHING,
    "TierPolicy.model_sha256": matching(
        "^([0-9a-f]{64})?$", 64, "use the 64 hexadecimal digits that `sha256sum` shows"
    ),
    "TierPolicy.model_file": text(_MAX_MODEL_FILE),
    "TierPolicy.cost_dial_percent": number(0, 100, default=50),
    "TierCosts.fast": number(1, 1_000_000, required=True),
    "TierCosts.standard": number(1, 1_000_000, required=True),
    "TierCosts.reasoning": number(1, 1_000_000, required=True),
    "Lane.id": _ID_OF_A_LANE,
    "Lane.display_name": _DISPLAY_NAME,
    "Lane.rate_cards": some(None, 100, kind="atomic"),
    "RateCard.effective_time": _INSTANT,
    "RateCard.input_usd_per_million": amount(required=True, most=_MAX_USD_PER_MILLION),
    "RateCard.cached_input_usd_per_million": _RATE,
    "RateCard.cache_write_usd_per_million": _RATE,
    "RateCard.output_usd_per_million": _RATE,
    "Model.id": _ID_OF_A_MODEL,
    "Model.display_name": _DISPLAY_NAME,
    "Model.lane": text(63, required=True),
    "Model.rate_cards": some(None, 100, kind="atomic"),
    "Model.context_window_tokens": number(1, _MAX_TOKENS, required=True),
    "Model.max_output_tokens": number(0, _MAX_TOKENS),
    "Model.default_output_tokens": number(0, _MAX_TOKENS),
    "Model.tokens_per_kilobyte": number(0, 100_000),
    "Model.image_tokens": number(0, _MAX_TOKENS),
    "Model.capabilities": some(one_of("tools", "vision", "json"), 3),
    "Model.protocols": some(
        one_of("chat-completions", "responses", "messages", "embeddings"), 4, least=1
    ),
    "Model.upstream": text(256),
    "Model.upstream_model": text(256),
    "Upstream.name": name(required=True),
    "Upstream.base_url": matching(
        _URL,
        256,
        "use http or https, a host and a path without a slash at its end, such as "
        "https://api.openai.com/v1",
        required=True,
    ),
    "Upstream.credential_variable": matching(
        "^(FLUXROUTER_UPSTREAM_[A-Z0-9_]+)?$",
        128,
        "name a variable that begins with FLUXROUTER_UPSTREAM_",
    ),
    "Upstream.timeout_seconds": number(0, 3600),
    "Upstream.endpoints": some(None, 64, kind="atomic"),
    "UpstreamEndpoint.address": matching(
        "^[A-Za-z0-9.-]{1,253}:[0-9]{1,5}$", 259, "use host:port", required=True
    ),
    "UpstreamEndpoint.weight": number(0, 128),
    "UpstreamEndpoint.zone": matching(
        "^([a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)?$",
        63,
        "use lower-case letters, digits, - and .",
    ),
    "TierSpec.tier": one_of("fast", "standard", "reasoning", required=True),
    "TierSpec.models": some(text(128), _MAX_TIER_MODELS, least=1),
    "Alias.id": _ID_OF_A_MODEL,
    "Alias.target": text(128, required=True),
}
