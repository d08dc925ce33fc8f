"""Plans, accounts and catalogs for tests: a plain sample of each, and every legal value of each.

Tests vary a sample with `dataclasses.replace`.
"""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fluxrouter_server.domain.accounts import (
    Account,
    Budget,
    KeyLimits,
    KeyRecord,
    KeySecret,
    KeyState,
    LimitOverrides,
    NearCap,
    PaymentMethod,
)
from fluxrouter_server.domain.catalog import (
    Alias,
    Capability,
    Catalog,
    Lane,
    Model,
    Protocol,
    Tier,
    TierCosts,
    TierPolicy,
    TierRouting,
    Upstream,
)
from fluxrouter_server.domain.ids import AccountName, KeyHash, KeyName, LaneId, ModelId, PlanName
from fluxrouter_server.domain.plans import (
    Enforcement,
    HoldRules,
    LabelRequirement,
    NamespaceSelector,
    OnExpiry,
    Overage,
    Plan,
    RateLimits,
)
from fluxrouter_server.domain.pricing import RateCard, Rates

_DOLLAR_NANO_USD = 1_000_000_000


def sample_plan(name: str = "free") -> Plan:
    """The Free plan as sold, under any name."""
    return Plan(
        name=PlanName(name),
        display_name=name.title(),
        description="",
        fee_nano_usd=0,
        included_credit_nano_usd=_DOLLAR_NANO_USD,
        cap_nano_usd=_DOLLAR_NANO_USD,
        ceiling_nano_usd=None,
        overage=Overage.NONE,
        hourly_cap_nano_usd=None,
        rate_limits=RateLimits(requests_per_second=1, request_burst=1),
        lanes=None,
        models=None,
        payment_method_required=True,
        enforcement=Enforcement.ENFORCE,
        holds=HoldRules(),
        alert_percents=(80, 100),
    )


def sample_account(name: str = "demo/free") -> Account:
    """An account of the Free plan with a card and no keys."""
    return Account(
        name=AccountName(name),
        display_name="",
        plan=PlanName("free"),
        anchor_day=1,
        time_zone="UTC",
        payment_method=PaymentMethod.CARD,
        suspended=False,
        overrides=LimitOverrides(),
        budgets=(),
        keys=(),
    )


def sample_catalog() -> Catalog:
    """One lane with one model."""
    lane, model = LaneId("express"), ModelId("small-1")
    rates = Rates(_DOLLAR_NANO_USD, _DOLLAR_NANO_USD // 10, _DOLLAR_NANO_USD, 4 * _DOLLAR_NANO_USD)
    return Catalog(
        lanes={lane: Lane(lane, "Express Lane", (RateCard(None, rates),))},
        models={
            model: Model(
                id=model,
                display_name="Small 1",
                lane=lane,
                rate_cards=(),
                context_window_tokens=128_000,
                max_output_tokens=16_000,
                default_output_tokens=1_000,
                tokens_per_kilobyte=400,
                image_tokens=0,
                capabilities=frozenset({Capability.TOOLS}),
                protocols=frozenset({Protocol.CHAT_COMPLETIONS}),
                upstream="small",
                upstream_model="small-1-latest",
            )
        },
        tiers={Tier.FAST: (model,)},
        aliases={"flux-auto": Alias("flux-auto", "auto")},
    )


def amounts() -> SearchStrategy[int]:
    """Amounts that a spec may name: up to 2^53 nano-USD."""
    return st.integers(0, 2**53 - 1)


def _counts() -> SearchStrategy[int]:
    return st.integers(0, 2**31 - 1)


def _instants() -> SearchStrategy[int]:
    return st.integers(0, 2**53 - 1)


def _texts() -> SearchStrategy[str]:
    return st.text(max_size=20)


def _labels() -> SearchStrategy[dict[str, str]]:
    return st.dictionaries(_texts(), _texts(), max_size=3)


def _models() -> SearchStrategy[frozenset[ModelId] | None]:
    return st.none() | st.frozensets(_texts().map(ModelId), max_size=3)


def rate_limits() -> SearchStrategy[RateLimits]:
    """Rate limits with any of them unlimited."""
    rate = st.none() | _counts()
    return st.builds(RateLimits, rate, rate, rate, rate, rate)


def plans() -> SearchStrategy[Plan]:
    """Any plan."""
    optional_amount = st.none() | amounts()
    return st.builds(
        Plan,
        name=_texts().map(PlanName),
        display_name=_texts(),
        description=_texts(),
        fee_nano_usd=amounts(),
        included_credit_nano_usd=amounts(),
        cap_nano_usd=optional_amount,
        ceiling_nano_usd=optional_amount,
        overage=st.sampled_from(Overage),
        hourly_cap_nano_usd=optional_amount,
        rate_limits=rate_limits(),
        lanes=st.none() | st.frozensets(_texts().map(LaneId), max_size=3),
        models=_models(),
        payment_method_required=st.booleans(),
        enforcement=st.sampled_from(Enforcement),
        holds=st.builds(HoldRules, _counts(), st.sampled_from(OnExpiry), _counts()),
        alert_percents=st.lists(st.integers(1, 100), max_size=4).map(tuple),
        labels=_labels(),
        annotations=_labels(),
        namespace_selector=st.none() | _selectors(),
        absorbed_stop_nano_usd=st.none() | st.integers(0, 2**53),
    )


def _selectors() -> SearchStrategy[NamespaceSelector]:
    values = st.lists(_texts(), max_size=3).map(tuple)
    condition = st.builds(LabelRequirement, _texts(), _texts(), values)
    return st.builds(NamespaceSelector, _labels(), st.lists(condition, max_size=3).map(tuple))


def accounts() -> SearchStrategy[Account]:
    """Any account."""
    return st.builds(
        Account,
        name=_texts().map(AccountName),
        display_name=_texts(),
        plan=_texts().map(PlanName),
        anchor_day=st.integers(1, 31),
        time_zone=_texts(),
        payment_method=st.sampled_from(PaymentMethod),
        suspended=st.booleans(),
        overrides=st.builds(
            LimitOverrides, st.none() | amounts(), st.none() | amounts(), rate_limits()
        ),
        budgets=st.lists(st.builds(Budget, _texts(), _labels(), amounts()), max_size=3).map(tuple),
        keys=st.lists(_key_limits(), max_size=3).map(tuple),
        labels=_labels(),
        annotations=_labels(),
        near_cap=st.sampled_from(NearCap),
    )


def _key_limits() -> SearchStrategy[KeyLimits]:
    return st.builds(
        KeyLimits,
        _texts().map(KeyName),
        st.none() | amounts(),
        st.none() | _instants(),
        _models(),
        st.none() | st.builds(KeySecret, _texts(), _counts(), _counts()),
    )


def key_hashes() -> SearchStrategy[KeyHash]:
    """Hashes of keys, in lower case."""
    return st.binary(min_size=32, max_size=32).map(lambda digest: KeyHash(digest.hex()))


def key_records() -> SearchStrategy[KeyRecord]:
    """Any secret of a key."""
    return st.builds(
        KeyRecord,
        name=_texts().map(KeyName),
        hash=key_hashes(),
        state=st.sampled_from(KeyState),
        create_us=_instants(),
        grace_end_us=st.none() | _instants(),
    )


def _rate_cards() -> SearchStrategy[tuple[RateCard, ...]]:
    rates = st.builds(Rates, amounts(), amounts(), amounts(), amounts())
    card = st.builds(RateCard, st.none() | _instants(), rates)
    return st.lists(card, max_size=2).map(tuple)


def _catalog_models() -> SearchStrategy[Model]:
    return st.builds(
        Model,
        id=_texts().map(ModelId),
        display_name=_texts(),
        lane=_texts().map(LaneId),
        rate_cards=_rate_cards(),
        context_window_tokens=_counts(),
        max_output_tokens=_counts(),
        default_output_tokens=_counts(),
        tokens_per_kilobyte=_counts(),
        image_tokens=_counts(),
        capabilities=st.frozensets(st.sampled_from(Capability)),
        protocols=st.frozensets(st.sampled_from(Protocol)),
        upstream=_texts(),
        upstream_model=_texts(),
    )


def _tier_routings() -> SearchStrategy[TierRouting]:
    percent = st.integers(0, 100)
    policies = st.builds(TierPolicy, _texts(), st.binary(max_size=9), percent)
    costs = st.builds(TierCosts, *(st.integers(1, 1_000_000) for _ in Tier))
    return st.builds(TierRouting, policies, st.none() | policies, costs)


def catalogs() -> SearchStrategy[Catalog]:
    """Any catalog whose mappings are keyed by the ids of what they hold."""
    lanes = st.builds(Lane, _texts().map(LaneId), _texts(), _rate_cards())
    aliases = st.builds(Alias, _texts(), _texts())
    models = st.lists(_texts().map(ModelId), max_size=3).map(tuple)
    upstreams = st.builds(Upstream, _texts(), _texts(), _texts(), _counts())
    return st.builds(
        Catalog,
        lanes=st.lists(lanes, max_size=3).map(lambda all_: {lane.id: lane for lane in all_}),
        models=st.lists(_catalog_models(), max_size=3).map(lambda all_: {m.id: m for m in all_}),
        tiers=st.dictionaries(st.sampled_from(Tier), models),
        aliases=st.lists(aliases, max_size=3).map(lambda all_: {a.id: a for a in all_}),
        input_margin_percent=st.integers(0, 100),
        upstreams=st.lists(upstreams, max_size=2).map(lambda all_: {one.name: one for one in all_}),
        routing=_tier_routings(),
        labels=_labels(),
        annotations=_labels(),
    )
