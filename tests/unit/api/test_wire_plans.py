from dataclasses import replace

import pytest
from hypothesis import given

from fluxrouter.v1 import plan_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_plans import plan_message, read_plan
from fluxrouter_server.domain.limits import Generation, PlanRecord
from fluxrouter_server.domain.plans import (
    Enforcement,
    HoldRules,
    LabelRequirement,
    NamespaceSelector,
    OnExpiry,
    Overage,
    Plan,
)
from fluxrouter_server.domain.plans import RateLimits as Rates
from fluxrouter_testing.resources import plans, sample_plan

GENERATION = Generation(3, "0123abcd")


def read(message: plan_pb2.Plan) -> tuple[Plan, dict[str, str]]:
    """The plan, and what is wrong by field."""
    reader = FieldReader()
    plan = read_plan(message, reader)
    return plan, {violation.field: violation.description for violation in reader.violations}


def there_and_back(plan: Plan) -> Plan:
    return read(plan_message(PlanRecord(plan, GENERATION, update_us=0)))[0]


def test_what_a_spec_leaves_out_gets_its_stated_default() -> None:
    plan, wrong = read(
        plan_pb2.Plan(metadata={"name": "p"}, spec={"cap_usd": "1", "rate_limits": {}})
    )
    assert not wrong
    assert plan == replace(
        sample_plan("p"),
        display_name="",
        included_credit_nano_usd=0,
        rate_limits=Rates(),
        payment_method_required=False,
        overage=Overage.NONE,
        enforcement=Enforcement.ENFORCE,
        holds=HoldRules(120, OnExpiry.CHARGE, 16),
        alert_percents=(80, 100),
    )


def test_a_burst_that_is_left_out_is_its_rate() -> None:
    plan, _ = read(
        plan_pb2.Plan(spec={"rate_limits": {"requests_per_second": 5, "tokens_per_minute": 600}})
    )
    assert plan.rate_limits == Rates(5, 5, 600, 600, None)


def test_a_sample_plan_reads_back_as_it_was_stored() -> None:
    assert there_and_back(sample_plan()) == sample_plan()


@given(plans())
def test_what_was_read_once_reads_back_the_same_for_ever(plan: Plan) -> None:
    once = there_and_back(plan)
    assert there_and_back(once) == once


def test_a_stored_plan_says_what_the_server_made_of_it() -> None:
    message = plan_message(PlanRecord(sample_plan(), GENERATION, update_us=1_500_000))
    assert (message.api_version, message.kind) == ("fluxrouter.ai/v1alpha1", "Plan")
    assert message.spec.cap_usd == "1.00"
    assert message.status.generation == 3
    assert message.status.update_time.ToMicroseconds() == 1_500_000


def test_everything_that_is_wrong_is_named_at_once() -> None:
    _, wrong = read(
        plan_pb2.Plan(
            api_version="v2",
            kind="Account",
            metadata={"namespace": "team"},
            spec={
                "cap_usd": "-1.00",
                "fee_usd": "1e3",
                "included_credit_usd": "9007199.254740993",
                "hourly_cap_usd": "0.1234567891",
                "overage": "sometimes",
                "enforcement": "Enforce",
                "holds": {"on_expiry": "keep"},
            },
        )
    )
    assert set(wrong) == {
        "apiVersion",
        "kind",
        "metadata.name",
        "metadata.namespace",
        "spec.capUsd",
        "spec.feeUsd",
        "spec.includedCreditUsd",
        "spec.hourlyCapUsd",
        "spec.overage",
        "spec.enforcement",
        "spec.holds.onExpiry",
    }


@pytest.mark.parametrize("text", ["", "fluxrouter.ai/v1alpha1"])
def test_our_api_version_may_be_left_out(text: str) -> None:
    _, wrong = read(plan_pb2.Plan(api_version=text, metadata={"name": "p"}))
    assert not wrong


def test_a_wrong_value_is_answered_with_the_right_ones() -> None:
    _, wrong = read(plan_pb2.Plan(metadata={"name": "p"}, spec={"overage": "x" * 500}))
    assert "`none`, `metered`" in wrong["spec.overage"]
    assert len(wrong["spec.overage"]) < 200


def test_a_selector_of_namespaces_is_kept_as_it_is() -> None:
    condition = LabelRequirement("team", "In", ("a", "b"))
    selector = NamespaceSelector({"paid": "yes"}, (condition,))
    plan = replace(sample_plan(), namespace_selector=selector)
    assert there_and_back(plan).namespace_selector == selector
