from google.protobuf import json_format

from fluxrouter.plain_json import to_json
from fluxrouter.v1 import account_pb2, catalog_pb2, kubernetes_pb2, plan_pb2


def test_wide_integers_are_whole_numbers() -> None:
    plan = plan_pb2.PlanSpec(rate_limits=plan_pb2.RateLimits(tokens_per_minute=2_000_000))
    assert to_json(plan) == {"rateLimits": {"tokensPerMinute": 2_000_000}}


def test_wide_integers_in_lists_are_whole_numbers() -> None:
    catalog = catalog_pb2.CatalogSpec(models=[catalog_pb2.Model(context_window_tokens=8192)])
    assert to_json(catalog) == {"models": [{"contextWindowTokens": 8192}]}


def test_instants_and_maps_stay_as_protobuf_writes_them() -> None:
    status = kubernetes_pb2.KeyStatus(name="ci")
    status.create_time.FromJsonString("2027-01-15T08:00:00Z")
    assert to_json(status) == {"name": "ci", "createTime": "2027-01-15T08:00:00Z"}
    budget = account_pb2.Budget(match_labels={"team": "a"})
    assert to_json(budget) == {"matchLabels": {"team": "a"}}


def test_protobuf_reads_it_back() -> None:
    plan = plan_pb2.PlanSpec(holds=plan_pb2.HoldRules(min_output_tokens=16), alert_percents=[80])
    assert json_format.ParseDict(to_json(plan), plan_pb2.PlanSpec()) == plan
