"""Plans on the wire: specs with decimal strings and empty fields, and plans with all of it said."""

from fluxrouter.v1 import metadata_pb2, plan_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_metadata import (
    API_VERSION,
    check_header,
    cluster_wide_name,
    object_meta,
    resource_status,
)
from fluxrouter_server.domain.ids import LaneId, ModelId, PlanName
from fluxrouter_server.domain.limits import PlanRecord
from fluxrouter_server.domain.money import format_usd
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

__all__ = ["KIND", "plan_message", "rate_limits_message", "read_override_rates", "read_plan"]

KIND = "Plan"
#: An alert shortly before the cap and one at it (PlanSpec.alert_percents).
_DEFAULT_ALERT_PERCENTS = (80, 100)


def read_plan(message: plan_pb2.Plan, reader: FieldReader) -> Plan:
    """Returns a plan with all defaults filled in.

    Only what cannot be represented is noted here (amounts, closed sets); whether the plan makes
    sense is for its rules to say.
    """
    check_header(message, KIND, reader)
    name = cluster_wide_name(message.metadata, KIND, reader)
    spec, at = message.spec, reader.at("spec")
    return Plan(
        name=PlanName(name),
        display_name=spec.display_name,
        description=spec.description,
        fee_nano_usd=at.usd("feeUsd", spec.fee_usd, default=0),
        included_credit_nano_usd=at.usd("includedCreditUsd", spec.included_credit_usd, default=0),
        cap_nano_usd=at.optional_usd("capUsd", spec.cap_usd),
        ceiling_nano_usd=at.optional_usd("ceilingUsd", spec.ceiling_usd),
        overage=at.choice("overage", spec.overage, Overage, default=Overage.NONE),
        hourly_cap_nano_usd=at.optional_usd("hourlyCapUsd", spec.hourly_cap_usd),
        rate_limits=_read_rates(spec.rate_limits),
        lanes=frozenset(map(LaneId, spec.lanes)) or None,
        models=frozenset(map(ModelId, spec.models)) or None,
        payment_method_required=spec.payment_method_required,
        enforcement=at.choice(
            "enforcement", spec.enforcement, Enforcement, default=Enforcement.ENFORCE
        ),
        holds=_read_hold_rules(spec.holds, at.at("holds")),
        alert_percents=tuple(spec.alert_percents) or _DEFAULT_ALERT_PERCENTS,
        labels=dict(message.metadata.labels),
        annotations=dict(message.metadata.annotations),
        namespace_selector=(
            _read_selector(spec.namespace_selector) if spec.HasField("namespace_selector") else None
        ),
        absorbed_stop_nano_usd=at.optional_usd("absorbedStopUsd", spec.absorbed_stop_usd),
    )


def read_override_rates(message: plan_pb2.RateLimits) -> RateLimits:
    """Returns the rates that an account sets for itself; zero leaves the plan's."""
    return RateLimits(
        requests_per_second=message.requests_per_second or None,
        request_burst=message.request_burst or None,
        tokens_per_minute=message.tokens_per_minute or None,
        token_burst=message.token_burst or None,
        max_in_flight=message.max_in_flight or None,
    )


def plan_message(record: PlanRecord) -> plan_pb2.Plan:
    """Returns a stored plan as a resource, defaults included."""
    plan = record.plan
    return plan_pb2.Plan(
        api_version=API_VERSION,
        kind=KIND,
        metadata=object_meta(plan.name, plan.labels, plan.annotations),
        spec=plan_pb2.PlanSpec(
            display_name=plan.display_name,
            description=plan.description,
            fee_usd=format_usd(plan.fee_nano_usd),
            included_credit_usd=format_usd(plan.included_credit_nano_usd),
            cap_usd=_optional_usd(plan.cap_nano_usd),
            ceiling_usd=_optional_usd(plan.ceiling_nano_usd),
            overage=plan.overage,
            hourly_cap_usd=_optional_usd(plan.hourly_cap_nano_usd),
            rate_limits=rate_limits_message(plan.rate_limits),
            lanes=sorted(plan.lanes or ()),
            models=sorted(plan.models or ()),
            payment_method_required=plan.payment_method_required,
            enforcement=plan.enforcement,
            holds=plan_pb2.HoldRules(
                expiry_seconds=plan.holds.expiry_seconds,
                on_expiry=plan.holds.on_expiry,
                min_output_tokens=plan.holds.min_output_tokens,
            ),
            alert_percents=plan.alert_percents,
            namespace_selector=_selector_message(plan.namespace_selector),
            absorbed_stop_usd=_optional_usd(plan.absorbed_stop_nano_usd),
        ),
        status=resource_status(record.generation, record.update_us),
    )


def rate_limits_message(rates: RateLimits) -> plan_pb2.RateLimits | None:
    """Returns rates as a message; None where there is none at all, so that the field is absent."""
    if rates == RateLimits():
        return None
    return plan_pb2.RateLimits(
        requests_per_second=rates.requests_per_second or 0,
        request_burst=rates.request_burst or 0,
        tokens_per_minute=rates.tokens_per_minute or 0,
        token_burst=rates.token_burst or 0,
        max_in_flight=rates.max_in_flight or 0,
    )


def _read_rates(message: plan_pb2.RateLimits) -> RateLimits:
    return RateLimits(
        requests_per_second=message.requests_per_second or None,
        request_burst=message.request_burst or message.requests_per_second or None,
        tokens_per_minute=message.tokens_per_minute or None,
        token_burst=message.token_burst or message.tokens_per_minute or None,
        max_in_flight=message.max_in_flight or None,
    )


def _read_hold_rules(message: plan_pb2.HoldRules, at: FieldReader) -> HoldRules:
    defaults = HoldRules()
    return HoldRules(
        expiry_seconds=message.expiry_seconds or defaults.expiry_seconds,
        on_expiry=at.choice("onExpiry", message.on_expiry, OnExpiry, default=defaults.on_expiry),
        min_output_tokens=message.min_output_tokens or defaults.min_output_tokens,
    )


def _read_selector(message: metadata_pb2.LabelSelector) -> NamespaceSelector:
    return NamespaceSelector(
        dict(message.match_labels),
        tuple(
            LabelRequirement(item.key, item.operator, tuple(item.values))
            for item in message.match_expressions
        ),
    )


def _selector_message(selector: NamespaceSelector | None) -> metadata_pb2.LabelSelector | None:
    if selector is None:
        return None
    return metadata_pb2.LabelSelector(
        match_labels=selector.match_labels,
        match_expressions=[
            metadata_pb2.LabelSelectorRequirement(
                key=item.key, operator=item.operator, values=item.values
            )
            for item in selector.match_expressions
        ],
    )


def _optional_usd(nano_usd: int | None) -> str:
    return "" if nano_usd is None else format_usd(nano_usd)
