"""Accounts on the wire: specs with decimal strings and empty fields, and accounts with all said."""

from fluxrouter.v1 import account_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_metadata import (
    API_VERSION,
    check_header,
    namespaced_name,
    object_meta,
    resource_status,
)
from fluxrouter_server.api.wire_plans import rate_limits_message, read_override_rates
from fluxrouter_server.api.wire_time import timestamp
from fluxrouter_server.domain.accounts import (
    Account,
    Budget,
    KeyLimits,
    KeySecret,
    LimitOverrides,
    NearCap,
    PaymentMethod,
)
from fluxrouter_server.domain.ids import KeyName, ModelId, PlanName
from fluxrouter_server.domain.limits import AccountRecord
from fluxrouter_server.domain.money import format_usd

__all__ = ["KIND", "account_message", "read_account"]

KIND = "Account"
_DEFAULT_ANCHOR_DAY = 1
_DEFAULT_TIME_ZONE = "UTC"
_DEFAULT_GRACE_SECONDS = 86_400


def read_account(message: account_pb2.Account, reader: FieldReader) -> Account:
    """Returns an account with all defaults filled in.

    Only what cannot be represented is noted here (amounts, instants, closed sets); whether the
    account makes sense is for its rules to say.
    """
    check_header(message, KIND, reader)
    spec, at = message.spec, reader.at("spec")
    billing = spec.billing
    return Account(
        name=namespaced_name(message.metadata, reader),
        display_name=spec.display_name,
        plan=PlanName(at.required_text("plan", spec.plan)),
        anchor_day=billing.anchor_day if billing.HasField("anchor_day") else _DEFAULT_ANCHOR_DAY,
        time_zone=billing.time_zone or _DEFAULT_TIME_ZONE,
        payment_method=at.choice(
            "paymentMethod", spec.payment_method, PaymentMethod, default=PaymentMethod.NONE
        ),
        suspended=spec.suspended,
        overrides=_read_overrides(spec.overrides, at.at("overrides")),
        budgets=tuple(
            _read_budget(budget, at.at(f"budgets[{index}]"))
            for index, budget in enumerate(spec.budgets)
        ),
        keys=tuple(
            _read_key(key, at.at(f"apiKeys[{index}]")) for index, key in enumerate(spec.api_keys)
        ),
        labels=dict(message.metadata.labels),
        annotations=dict(message.metadata.annotations),
        near_cap=at.choice("nearCap", spec.near_cap, NearCap, default=NearCap.CHEAPER_LANE),
    )


def account_message(record: AccountRecord) -> account_pb2.Account:
    """Returns a stored account as a resource, defaults included; never a key's hash."""
    account = record.account
    namespace, _, name = account.name.partition("/")
    return account_pb2.Account(
        api_version=API_VERSION,
        kind=KIND,
        metadata=object_meta(name, account.labels, account.annotations, namespace=namespace),
        spec=account_pb2.AccountSpec(
            display_name=account.display_name,
            plan=account.plan,
            billing=account_pb2.Billing(anchor_day=account.anchor_day, time_zone=account.time_zone),
            payment_method=account.payment_method,
            suspended=account.suspended,
            overrides=_overrides_message(account.overrides),
            budgets=[_budget_message(budget) for budget in account.budgets],
            api_keys=[_key_message(key) for key in account.keys],
            near_cap=account.near_cap,
        ),
        status=resource_status(record.generation, record.update_us, uid=record.uid),
    )


def _read_overrides(message: account_pb2.LimitOverrides, at: FieldReader) -> LimitOverrides:
    return LimitOverrides(
        cap_nano_usd=at.optional_usd("capUsd", message.cap_usd),
        hourly_cap_nano_usd=at.optional_usd("hourlyCapUsd", message.hourly_cap_usd),
        rate_limits=read_override_rates(message.rate_limits),
    )


def _overrides_message(overrides: LimitOverrides) -> account_pb2.LimitOverrides | None:
    if overrides == LimitOverrides():
        return None
    return account_pb2.LimitOverrides(
        cap_usd=_optional_usd(overrides.cap_nano_usd),
        hourly_cap_usd=_optional_usd(overrides.hourly_cap_nano_usd),
        rate_limits=rate_limits_message(overrides.rate_limits),
    )


def _read_budget(message: account_pb2.Budget, at: FieldReader) -> Budget:
    return Budget(
        name=at.required_text("name", message.name),
        match_labels=dict(message.match_labels),
        cap_nano_usd=at.required_usd("capUsd", message.cap_usd),
    )


def _budget_message(budget: Budget) -> account_pb2.Budget:
    return account_pb2.Budget(
        name=budget.name,
        match_labels=budget.match_labels,
        cap_usd=format_usd(budget.cap_nano_usd),
    )


def _read_key(message: account_pb2.ApiKeySpec, at: FieldReader) -> KeyLimits:
    return KeyLimits(
        name=KeyName(at.required_text("name", message.name)),
        cap_nano_usd=at.optional_usd("capUsd", message.cap_usd),
        expire_us=(
            at.instant_us("expireTime", message.expire_time)
            if message.HasField("expire_time")
            else None
        ),
        allowed_models=frozenset(map(ModelId, message.allowed_models)) or None,
        secret=_read_secret(message.secret) if message.HasField("secret") else None,
    )


def _read_secret(message: account_pb2.KeySecret) -> KeySecret:
    has_grace = message.HasField("rotation_grace_seconds")
    grace_seconds = message.rotation_grace_seconds if has_grace else _DEFAULT_GRACE_SECONDS
    return KeySecret(message.name, message.rotation, grace_seconds)


def _key_message(key: KeyLimits) -> account_pb2.ApiKeySpec:
    return account_pb2.ApiKeySpec(
        name=key.name,
        cap_usd=_optional_usd(key.cap_nano_usd),
        expire_time=None if key.expire_us is None else timestamp(key.expire_us),
        allowed_models=sorted(key.allowed_models or ()),
        secret=None if key.secret is None else _secret_message(key.secret),
    )


def _secret_message(secret: KeySecret) -> account_pb2.KeySecret:
    return account_pb2.KeySecret(
        name=secret.name,
        rotation=secret.rotation,
        rotation_grace_seconds=secret.rotation_grace_seconds,
    )


def _optional_usd(nano_usd: int | None) -> str:
    return "" if nano_usd is None else format_usd(nano_usd)
