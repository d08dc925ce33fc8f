from dataclasses import replace

import pytest

from fluxrouter_server.domain.catalog import Catalog, Tier, TierCosts, TierPolicy, TierRouting
from fluxrouter_server.routing.model_file import ModelFileError, write_model
from fluxrouter_server.routing.tier_choice import WeighedDecision
from fluxrouter_server.routing.tier_model import TierModel
from fluxrouter_server.routing.tier_policies import (
    MAX_PACKED_BYTES,
    TierPolicies,
    pack_model,
    unpack_model,
)
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.tier_models import tier_model, tier_weights

ALL = tuple(Tier)
#: Every tier is as good as any other, so the cheapest is chosen.
SHIPPED = tier_model(*(tier_weights(tier) for tier in ALL), name="shipped")
#: Only the dearest tier is any good.
DEAR = tier_model(*(tier_weights(tier, 4.0 * n - 4.0) for n, tier in enumerate(ALL)), name="dear")


def policy(model: TierModel, *, packed: bool = True, dial: int = 50) -> TierPolicy:
    file = write_model(model)
    return TierPolicy(model.sha256, pack_model(file) if packed else file, dial)


def catalog(routing: TierRouting) -> Catalog:
    return replace(full_catalog(), routing=routing)


def chosen(policies: TierPolicies, routing: TierRouting) -> WeighedDecision:
    return policies.of(catalog(routing)).choose("hello", ALL)


def wrong(routing: TierRouting) -> dict[str, str]:
    found = TierPolicies(SHIPPED).violations(catalog(routing))
    return {violation.field: violation.description for violation in found}


def test_without_a_word_in_the_catalog_the_model_of_the_server_decides() -> None:
    decision = chosen(TierPolicies(SHIPPED), TierRouting())
    assert (decision.tier, decision.model_sha256) == (Tier.FAST, SHIPPED.sha256)
    assert decision.shadow is None


@pytest.mark.parametrize("packed", [True, False])
def test_the_model_in_the_catalog_decides_and_the_previous_catalog_takes_it_back(
    packed: bool,
) -> None:
    policies = TierPolicies(SHIPPED)
    routing = TierRouting(policy(DEAR, packed=packed))
    assert wrong(routing) == {}
    assert chosen(policies, routing).tier is Tier.REASONING
    assert chosen(policies, routing).model_sha256 == DEAR.sha256
    assert chosen(policies, TierRouting()).tier is Tier.FAST


def test_the_dial_and_the_costs_of_the_catalog_decide_with_it() -> None:
    policies = TierPolicies(SHIPPED)
    assert chosen(policies, TierRouting(policy(DEAR, dial=0))).cost_weight == 0
    cost_above_all = chosen(policies, TierRouting(policy(DEAR, dial=100)))
    assert cost_above_all.cost_weight > 1
    assert cost_above_all.tier is Tier.FAST
    alike = TierRouting(policy(DEAR, dial=100), costs=TierCosts(1, 1, 1))
    assert chosen(policies, alike).tier is Tier.REASONING


def test_a_shadow_decides_beside_the_active_policy_without_effect() -> None:
    decision = chosen(TierPolicies(SHIPPED), TierRouting(shadow=policy(DEAR)))
    assert (decision.tier, decision.model_sha256) == (Tier.FAST, SHIPPED.sha256)
    assert isinstance(decision.shadow, WeighedDecision)
    assert (decision.shadow.tier, decision.shadow.model_sha256) == (Tier.REASONING, DEAR.sha256)


def test_a_chooser_is_made_once_for_a_catalog() -> None:
    policies = TierPolicies(SHIPPED)
    one = catalog(TierRouting(policy(DEAR)))
    assert policies.of(one) is policies.of(one)


def test_a_model_that_comes_with_the_server_needs_no_file() -> None:
    routing = TierRouting(TierPolicy(SHIPPED.sha256))
    assert wrong(routing) == {}
    assert chosen(TierPolicies(SHIPPED), routing).model_sha256 == SHIPPED.sha256


def test_a_hash_without_its_file_is_refused_with_the_remedy() -> None:
    found = wrong(TierRouting(TierPolicy(DEAR.sha256)))
    assert "embed-model" in found["spec.routing.active.modelFile"]


def test_a_file_that_is_another_model_or_none_is_refused() -> None:
    other = replace(policy(DEAR), model_sha256="0" * 64)
    assert DEAR.sha256 in wrong(TierRouting(other))["spec.routing.active.modelFile"]
    broken = replace(policy(DEAR), model_file=b"\x1f\x8bnonsense")
    assert list(wrong(TierRouting(shadow=broken))) == ["spec.routing.shadow.modelFile"]
    no_hash = replace(policy(DEAR), model_sha256="")
    assert list(wrong(TierRouting(no_hash))) == ["spec.routing.active.modelFile"]


def test_what_is_out_of_bounds_is_refused_by_its_field() -> None:
    large = TierPolicy("0" * 64, bytes(MAX_PACKED_BYTES + 1), 101)
    assert list(wrong(TierRouting(large, costs=TierCosts(0, 1, 1)))) == [
        "spec.routing.active.costDialPercent",
        "spec.routing.active.modelFile",
        "spec.routing.costs.fast",
    ]


def test_a_stored_model_that_this_version_cannot_read_leaves_the_model_of_the_server() -> None:
    unreadable = TierRouting(TierPolicy("0" * 64, b"{}"))
    assert chosen(TierPolicies(SHIPPED), unreadable).model_sha256 == SHIPPED.sha256


def test_a_packed_file_is_the_same_each_time_and_unpacks_to_the_same_bytes() -> None:
    file = write_model(DEAR)
    assert pack_model(file) == pack_model(file)
    assert unpack_model(pack_model(file)) == file == unpack_model(file)


def test_a_packed_file_that_is_cut_off_or_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ModelFileError, match="cut off"):
        unpack_model(pack_model(write_model(DEAR))[:-1])
    with pytest.raises(ModelFileError, match="too large"):
        unpack_model(pack_model(bytes(9 * 1024 * 1024)))
