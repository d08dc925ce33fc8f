"""Control documents as bytes: what the store keeps and a STALE answer carries.

What is read equals what was written, field by field; a property test holds every type to that. A
document that this server cannot read is refused, never guessed at: a limit read wrongly is money.
"""

from collections.abc import Iterable
from typing import Any

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
from fluxrouter_server.domain.ids import (
    AccountName,
    AccountUid,
    KeyHash,
    KeyName,
    LaneId,
    ModelId,
    PlanName,
)
from fluxrouter_server.domain.limits import AccountRecord, Generation
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
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.catalog_document import decode_catalog, encode_catalog
from fluxrouter_server.store.document_frame import (
    pack,
    set_or_none,
    sorted_or_none,
    sorted_pairs,
    unpack,
)

__all__ = [
    "decode_account_record",
    "decode_catalog",
    "decode_credential",
    "decode_generation",
    "decode_plan",
    "encode_account",
    "encode_catalog",
    "encode_credential",
    "encode_plan",
]


def encode_plan(plan: Plan) -> bytes:
    """Write a plan."""
    return pack(
        plan.name,
        plan.display_name,
        plan.description,
        plan.fee_nano_usd,
        plan.included_credit_nano_usd,
        plan.cap_nano_usd,
        plan.ceiling_nano_usd,
        plan.overage,
        plan.hourly_cap_nano_usd,
        _rate_limits(plan.rate_limits),
        sorted_or_none(plan.lanes),
        sorted_or_none(plan.models),
        plan.payment_method_required,
        plan.enforcement,
        [plan.holds.expiry_seconds, plan.holds.on_expiry, plan.holds.min_output_tokens],
        plan.alert_percents,
        sorted_pairs(plan.labels),
        sorted_pairs(plan.annotations),
        *_rare(plan),
    )


def decode_plan(document: bytes) -> Plan:
    """Read a plan; raises StoreRefused where the bytes are none that this server knows."""
    return unpack("plan", document, _read_plan)


def _read_plan(fields: list[Any]) -> Plan:
    expiry_seconds, on_expiry, min_output_tokens = fields[14]
    return Plan(
        name=PlanName(fields[0]),
        display_name=fields[1],
        description=fields[2],
        fee_nano_usd=fields[3],
        included_credit_nano_usd=fields[4],
        cap_nano_usd=fields[5],
        ceiling_nano_usd=fields[6],
        overage=Overage(fields[7]),
        hourly_cap_nano_usd=fields[8],
        rate_limits=RateLimits(*fields[9]),
        lanes=set_or_none(fields[10], LaneId),
        models=set_or_none(fields[11], ModelId),
        payment_method_required=fields[12],
        enforcement=Enforcement(fields[13]),
        holds=HoldRules(expiry_seconds, OnExpiry(on_expiry), min_output_tokens),
        alert_percents=tuple(fields[15]),
        labels=dict(fields[16]),
        annotations=dict(fields[17]),
        **_read_rare(fields[18:]),
    )


# What few plans have comes last and only where it is there: most documents stay as small.
def _rare(plan: Plan) -> list[object]:
    if plan.absorbed_stop_nano_usd is not None:
        return [_selector(plan.namespace_selector), plan.absorbed_stop_nano_usd]
    return [] if plan.namespace_selector is None else [_selector(plan.namespace_selector)]


def _read_rare(fields: list[Any]) -> dict[str, Any]:
    selector, absorbed_stop_nano_usd = (*fields, None, None)[:2]
    return {
        "namespace_selector": _read_selector(selector),
        "absorbed_stop_nano_usd": absorbed_stop_nano_usd,
    }


def _selector(selector: NamespaceSelector | None) -> object:
    if selector is None:
        return None
    conditions = [[item.key, item.operator, item.values] for item in selector.match_expressions]
    return [sorted_pairs(selector.match_labels), conditions]


def _read_selector(selector: list[Any] | None) -> NamespaceSelector | None:
    if selector is None:
        return None
    labels, conditions = selector
    return NamespaceSelector(
        dict(labels),
        tuple(LabelRequirement(key, operator, tuple(vs)) for key, operator, vs in conditions),
    )


def _secret(secret: KeySecret | None) -> list[object]:
    if secret is None:
        return []
    return [[secret.name, secret.rotation, secret.rotation_grace_seconds]]


def _read_secret(fields: list[Any]) -> KeySecret | None:
    return KeySecret(*fields[0]) if fields else None


def encode_account(account: Account, secrets: Iterable[KeyRecord]) -> bytes:
    """Write an account's wanted state and its keys' hashes as the one document that is kept."""
    return pack(
        account.name,
        account.display_name,
        account.plan,
        account.anchor_day,
        account.time_zone,
        account.payment_method,
        account.suspended,
        [
            account.overrides.cap_nano_usd,
            account.overrides.hourly_cap_nano_usd,
            _rate_limits(account.overrides.rate_limits),
        ],
        [
            [budget.name, sorted_pairs(budget.match_labels), budget.cap_nano_usd]
            for budget in account.budgets
        ],
        [
            [
                key.name,
                key.cap_nano_usd,
                key.expire_us,
                sorted_or_none(key.allowed_models),
                *_secret(key.secret),
            ]
            for key in account.keys
        ],
        sorted_pairs(account.labels),
        sorted_pairs(account.annotations),
        [
            [key.name, bytes.fromhex(key.hash), key.state, key.create_us, key.grace_end_us]
            for key in secrets
        ],
        # Only where it is not the usual: an account must be small, and most say nothing.
        *(() if account.near_cap is NearCap.CHEAPER_LANE else (account.near_cap,)),
    )


def decode_account_record(
    document: bytes, *, uid: AccountUid, generation: Generation, update_us: int, deleted: bool
) -> AccountRecord:
    """Read an account; raises StoreRefused where the bytes are none that this server knows.

    Args:
        document: What `encode_account` wrote.
        uid: From the key under which it lay, like what follows from the account's hash.
        generation: Of the document.
        update_us: Store time of the write.
        deleted: Whether the account was deleted since.
    """
    account, secrets = unpack("account", document, _read_account)
    return AccountRecord(
        uid=uid,
        account=account,
        secrets=secrets,
        deleted=deleted,
        generation=generation,
        update_us=update_us,
    )


def _read_account(fields: list[Any]) -> tuple[Account, tuple[KeyRecord, ...]]:
    cap_nano_usd, hourly_cap_nano_usd, rate_limits = fields[7]
    account = Account(
        name=AccountName(fields[0]),
        display_name=fields[1],
        plan=PlanName(fields[2]),
        anchor_day=fields[3],
        time_zone=fields[4],
        payment_method=PaymentMethod(fields[5]),
        suspended=fields[6],
        overrides=LimitOverrides(cap_nano_usd, hourly_cap_nano_usd, RateLimits(*rate_limits)),
        budgets=tuple(Budget(name, dict(labels), cap) for name, labels, cap in fields[8]),
        keys=tuple(
            KeyLimits(
                KeyName(name), cap, expire_us, set_or_none(models, ModelId), _read_secret(secret)
            )
            for name, cap, expire_us, models, *secret in fields[9]
        ),
        labels=dict(fields[10]),
        annotations=dict(fields[11]),
        near_cap=NearCap(fields[13]) if len(fields) > 13 else NearCap.CHEAPER_LANE,  # noqa: PLR2004
    )
    secrets = tuple(
        KeyRecord(KeyName(name), KeyHash(digest.hex()), KeyState(state), create_us, grace_end_us)
        for name, digest, state, create_us, grace_end_us in fields[12]
    )
    return account, secrets


def encode_credential(record: CredentialRecord) -> bytes:
    """Write a service credential."""
    return pack(
        record.name, bytes.fromhex(record.secret_hash), sorted(record.scopes), record.create_us
    )


def decode_credential(document: bytes) -> CredentialRecord:
    """Read a credential; raises StoreRefused where the bytes are none that this server knows."""
    return unpack("credential", document, _read_credential)


def _read_credential(fields: list[Any]) -> CredentialRecord:
    name, secret_hash, scopes, create_us = fields
    return CredentialRecord(name, secret_hash.hex(), frozenset(scopes), create_us)


def decode_generation(text: bytes) -> Generation:
    """Read `str(generation)` as the store keeps it; raises StoreRefused where it is none."""
    counter, _, nonce = text.decode(errors="replace").partition("-")
    if not counter.isdecimal() or not nonce:
        raise StoreRefused(
            f"the store holds {text!r} where a document's generation should be; it is damaged or "
            "was written by other software: apply the document again"
        )
    return Generation(int(counter), nonce)


def _rate_limits(rates: RateLimits) -> list[int | None]:
    return [
        rates.requests_per_second,
        rates.request_burst,
        rates.tokens_per_minute,
        rates.token_burst,
        rates.max_in_flight,
    ]
