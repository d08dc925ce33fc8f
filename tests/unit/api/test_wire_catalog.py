from dataclasses import replace

from fluxrouter.v1 import catalog_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_catalog import catalog_message, read_catalog
from fluxrouter_server.domain.catalog import (
    Capability,
    Catalog,
    Protocol,
    Tier,
    TierCosts,
    TierPolicy,
    TierRouting,
)
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.limits import CatalogRecord, Generation
from fluxrouter_testing.catalogs import full_catalog

ONE_PRICE = {"input_usd_per_million": "2", "output_usd_per_million": "8"}
ONLY_INPUT = {"input_usd_per_million": "0.02"}


def read(spec: dict[str, object], name: str = "default") -> tuple[Catalog, dict[str, str]]:
    """The catalog, and what is wrong by field."""
    reader = FieldReader()
    catalog = read_catalog(catalog_pb2.Catalog(metadata={"name": name}, spec=spec), reader)
    return catalog, {violation.field: violation.description for violation in reader.violations}


def there_and_back(catalog: Catalog) -> Catalog:
    reader = FieldReader()
    record = CatalogRecord(catalog, Generation(1, "0123abcd"), update_us=0)
    back = read_catalog(catalog_message(record), reader)
    assert not reader.violations
    return back


def test_a_whole_catalog_reads_back_as_it_was_stored_and_in_its_order() -> None:
    catalog = full_catalog()
    back = there_and_back(catalog)
    assert back == catalog
    assert list(back.models) == list(catalog.models)


def test_what_a_model_leaves_out_gets_its_stated_default() -> None:
    catalog, wrong = read(
        {"models": [{"id": "m", "lane": "l", "max_output_tokens": 900, "upstream": "u"}]}
    )
    assert not wrong
    model = catalog.models[ModelId("m")]
    assert (model.default_output_tokens, model.tokens_per_kilobyte) == (900, 1000)
    assert model.upstream_model == "m"


def test_prices_that_are_left_out_are_the_input_price() -> None:
    catalog, wrong = read({"lanes": [{"id": "l", "rate_cards": [ONE_PRICE]}]})
    assert not wrong
    (card,) = catalog.lanes[LaneId("l")].rate_cards
    assert card.effective_us is None
    assert card.rates.cached_input_nano_usd == card.rates.cache_write_nano_usd == 2_000_000_000


def test_output_needs_a_price_except_where_there_is_none() -> None:
    _, wrong = read(
        {
            "lanes": [{"id": "l", "rate_cards": [ONLY_INPUT]}],
            "models": [
                {"id": "e", "lane": "l", "protocols": ["embeddings"], "rate_cards": [ONLY_INPUT]},
                {"id": "m", "lane": "l", "protocols": ["messages"], "rate_cards": [ONLY_INPUT]},
            ],
        }
    )
    assert set(wrong) == {
        "spec.lanes[0].rateCards[0].outputUsdPerMillion",
        "spec.models[1].rateCards[0].outputUsdPerMillion",
    }


def test_ids_that_stand_twice_are_named_before_one_of_them_is_lost() -> None:
    _, wrong = read(
        {
            "lanes": [{"id": "l"}, {"id": "l"}],
            "models": [
                {"id": "m", "lane": "l"},
                {"id": "n", "lane": "l"},
                {"id": "m", "lane": "l"},
            ],
            "aliases": [{"id": "a", "target": "m"}, {"id": "a", "target": "n"}],
            "tiers": [{"tier": "fast", "models": ["m"]}, {"tier": "fast", "models": ["n"]}],
        }
    )
    assert set(wrong) == {
        "spec.lanes[1].id",
        "spec.models[2].id",
        "spec.aliases[1].id",
        "spec.tiers[1].tier",
    }


def test_tiers_keep_the_order_of_their_models() -> None:
    catalog, _ = read({"tiers": [{"tier": "reasoning", "models": ["b", "a"]}]})
    assert catalog.tiers == {Tier.REASONING: (ModelId("b"), ModelId("a"))}


def test_words_of_closed_sets_are_checked_one_by_one() -> None:
    catalog, wrong = read(
        {
            "models": [
                {
                    "id": "m",
                    "lane": "l",
                    "capabilities": ["tools", "telepathy"],
                    "protocols": ["responses", "smtp"],
                }
            ],
            "tiers": [{"tier": "quick"}, {}],
        }
    )
    assert set(wrong) == {
        "spec.models[0].capabilities[1]",
        "spec.models[0].protocols[1]",
        "spec.tiers[0].tier",
        "spec.tiers[1].tier",
    }
    assert catalog.models[ModelId("m")].capabilities == {Capability.TOOLS}
    assert catalog.models[ModelId("m")].protocols == {Protocol.RESPONSES}


def test_there_is_one_catalog() -> None:
    _, wrong = read({}, name="spring")
    assert "there is one catalog" in wrong["metadata.name"]


def test_how_tiers_are_chosen_reads_back_as_it_was_stored() -> None:
    routing = TierRouting(
        TierPolicy("a" * 64, b"file", 0), TierPolicy("b" * 64, b"other", 100), TierCosts(1, 2, 3)
    )
    assert there_and_back(replace(full_catalog(), routing=routing)).routing == routing


def test_what_the_routing_leaves_out_gets_its_stated_default() -> None:
    catalog, wrong = read({"routing": {"shadow": {}}})
    assert not wrong
    assert catalog.routing == TierRouting(shadow=TierPolicy("", b"", 50))
    assert read({})[0].routing == TierRouting()
