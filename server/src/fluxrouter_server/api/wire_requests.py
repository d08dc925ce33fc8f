"""Requests of the hot services as domain values; refuses only what cannot be represented."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from fluxrouter.v1 import metering_pb2, router_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.domain.catalog import Capability, Protocol, Tier
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName, RequestId
from fluxrouter_server.domain.names import parse_account_name, shown
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import OWN_ACCOUNT, AccountRef
from fluxrouter_server.services.refusals import invalid_field

__all__ = [
    "read_account_ref",
    "read_named_account",
    "read_named_accounts",
    "read_query",
    "read_usage",
]

E = TypeVar("E", Protocol, Tier)

# Looked up here, because to ask an enumeration for its member takes a call.
_PROTOCOLS = {protocol.value: protocol for protocol in Protocol}
_TIERS = {tier.value: tier for tier in Tier}
_NO_CAPABILITIES: frozenset[Capability] = frozenset()
#: Of `namespace/name`, each of at most 63.
_MOST_NAME_CHARACTERS = 127
_NAME_REMEDY = (
    "write namespace/name, or name alone for the namespace default; both of lower-case letters, "
    "digits, - and ."
)


def read_query(message: router_pb2.RouteRequest) -> RouteQuery | Denial:
    """Returns what is to be routed, with the defaults of fields that are zero."""
    reader, labels = FieldReader(), message.labels
    query = RouteQuery(
        model=message.model,
        request_id=RequestId(message.request_id),
        attempt=message.attempt or 1,
        input_tokens=message.input_tokens if message.HasField("input_tokens") else None,
        text=message.text,
        images=message.images,
        max_output_tokens=(
            message.max_output_tokens if message.HasField("max_output_tokens") else None
        ),
        choices=message.choices or 1,
        capabilities=(
            reader.choices("capabilities", message.capabilities, Capability)
            if message.capabilities
            else _NO_CAPABILITIES
        ),
        protocol=_optional("protocol", message.protocol, _PROTOCOLS, reader),
        labels={name: labels[name] for name in labels},  # twice as fast as dict() of such a map
        tier=_optional("tier", message.tier, _TIERS, reader),
    )
    return query if not reader.violations else reader.denial() or query


def read_account_ref(account: str, api_key: str) -> AccountRef | Denial:
    """Returns the account that a request names by one of two fields, or by neither."""
    if account:
        if api_key:
            return invalid_field("api_key", "must be left out where `account` is given")
        if len(account) > _MOST_NAME_CHARACTERS:  # not to be remembered
            return _wrong_name("account", account)
        return _ref_by_name(account) or _wrong_name("account", account)
    return AccountRef(api_key=api_key) if api_key else OWN_ACCOUNT


def read_named_account(account: str) -> AccountName | Denial:
    """Returns the account that a request must name."""
    if not account:
        return invalid_field("account", "is required")
    return parse_account_name(account) or _wrong_name("account", account)


def read_named_accounts(accounts: Sequence[str]) -> tuple[AccountName, ...] | Denial:
    """Returns the accounts that a request lists."""
    names = tuple(parse_account_name(account) for account in accounts)
    for index, name in enumerate(names):
        if name is None:
            return _wrong_name(f"accounts[{index}]", accounts[index])
    return tuple(name for name in names if name is not None)


def read_usage(message: metering_pb2.Usage) -> Usage:
    """Returns the tokens by kind."""
    return Usage(
        input_tokens=message.input_tokens,
        cached_input_tokens=message.cached_input_tokens,
        cache_write_tokens=message.cache_write_tokens,
        output_tokens=message.output_tokens,
        reasoning_tokens=message.reasoning_tokens,
    )


# Most calls are for few accounts, and reading a name costs as much as parsing the whole request.
@lru_cache(maxsize=16_384)
def _ref_by_name(text: str) -> AccountRef | None:
    name = parse_account_name(text)
    return None if name is None else AccountRef(name=name)


def _optional(name: str, text: str, known: Mapping[str, E], reader: FieldReader) -> E | None:
    found = known.get(text)
    if found is None and text:
        reader.wrong(
            name, f"{shown(text)} is not one of {', '.join(f'`{item}`' for item in known)}"
        )
    return found


def _wrong_name(field: str, text: str) -> Denial:
    return invalid_field(field, f"{shown(text)} is no account's name; {_NAME_REMEDY}")
