"""Resources, API keys and credentials of ControlService as domain values, and back."""

from collections.abc import Sequence
from typing import assert_never

from fluxrouter.v1 import control_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_accounts import account_message, read_account
from fluxrouter_server.api.wire_catalog import catalog_message, read_catalog
from fluxrouter_server.api.wire_plans import plan_message, read_plan
from fluxrouter_server.api.wire_time import timestamp
from fluxrouter_server.domain.accounts import KeyState
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.limits import AccountRecord, CatalogRecord, PlanRecord
from fluxrouter_server.domain.names import parse_account_name, shown
from fluxrouter_server.services.control_service import Applied, Document, DocumentRecord, Kind
from fluxrouter_server.services.key_service import KeyView
from fluxrouter_server.services.ports.documents import Change, CredentialRecord
from fluxrouter_server.services.refusals import invalid_field

__all__ = [
    "applied_message",
    "credential_message",
    "key_message",
    "read_documents",
    "read_kind",
    "read_names",
    "resource_message",
]

_KINDS = {
    control_pb2.RESOURCE_KIND_PLAN: Kind.PLAN,
    control_pb2.RESOURCE_KIND_ACCOUNT: Kind.ACCOUNT,
    control_pb2.RESOURCE_KIND_CATALOG: Kind.CATALOG,
}
_WIRE_KINDS = {kind: wire for wire, kind in _KINDS.items()}
_ACTIONS = {
    Change.CREATED: control_pb2.APPLY_ACTION_CREATED,
    Change.CONFIGURED: control_pb2.APPLY_ACTION_CONFIGURED,
    Change.UNCHANGED: control_pb2.APPLY_ACTION_UNCHANGED,
}
_KEY_STATES = {
    KeyState.ACTIVE: control_pb2.API_KEY_STATE_ACTIVE,
    KeyState.ROTATED: control_pb2.API_KEY_STATE_ROTATED,
    KeyState.REVOKED: control_pb2.API_KEY_STATE_REVOKED,
}


def read_documents(resources: Sequence[control_pb2.Resource]) -> tuple[Document, ...] | Denial:
    """Returns all resources, or one refusal with all that is wrong with any of them."""
    reader = FieldReader()
    documents = []
    for index, resource in enumerate(resources):
        document = _read_document(resource, f"resources[{index}]", reader)
        if document is not None:
            documents.append(document)
    return reader.denial() or tuple(documents)


def read_kind(kind: control_pb2.ResourceKind.ValueType) -> Kind | Denial:
    """Returns the kind of resource that a request must name."""
    return _KINDS.get(kind) or invalid_field(
        "kind", f"must be one of {', '.join(map(control_pb2.ResourceKind.Name, _KINDS))}"
    )


def read_names(kind: Kind, names: Sequence[str]) -> tuple[str, ...] | Denial:
    """Returns names as the store has them: those of accounts with their namespace."""
    if kind is not Kind.ACCOUNT:
        return tuple(names)
    reader = FieldReader()
    found = []
    for index, text in enumerate(names):
        name = parse_account_name(text)
        if name is None:
            reader.wrong(f"names[{index}]", f"{shown(text)} is no name; write namespace/name")
        else:
            found.append(name)
    return reader.denial() or tuple(found)


def resource_message(record: DocumentRecord) -> control_pb2.Resource:
    """Returns a stored document as a resource of its kind."""
    match record:
        case PlanRecord():
            return control_pb2.Resource(plan=plan_message(record))
        case AccountRecord():
            return control_pb2.Resource(account=account_message(record))
        case CatalogRecord():
            return control_pb2.Resource(catalog=catalog_message(record))
        case _:
            assert_never(record)


def applied_message(applied: Applied) -> control_pb2.AppliedResource:
    """Returns what became of a resource."""
    return control_pb2.AppliedResource(
        kind=_WIRE_KINDS[applied.kind],
        name=applied.name,
        action=_ACTIONS[applied.change],
        generation=0 if applied.generation is None else applied.generation.counter,
        uid=applied.uid,
    )


def key_message(key: KeyView) -> control_pb2.ApiKey:
    """Returns what is kept of a key's secret."""
    return control_pb2.ApiKey(
        name=key.record.name,
        account=key.account,
        key_hash=key.record.hash,
        state=_KEY_STATES[key.record.state],
        create_time=timestamp(key.record.create_us),
        expire_time=None if key.expire_us is None else timestamp(key.expire_us),
    )


def credential_message(record: CredentialRecord) -> control_pb2.ServiceCredential:
    """Returns a service credential without its secret."""
    return control_pb2.ServiceCredential(
        name=record.name,
        scopes=sorted(record.scopes),
        create_time=timestamp(record.create_us),
    )


def _read_document(
    resource: control_pb2.Resource, path: str, reader: FieldReader
) -> Document | None:
    match resource.WhichOneof("resource"):
        case "plan":
            return read_plan(resource.plan, reader.at(f"{path}.plan"))
        case "account":
            return read_account(resource.account, reader.at(f"{path}.account"))
        case "catalog":
            return read_catalog(resource.catalog, reader.at(f"{path}.catalog"))
        case _:
            reader.wrong(path, "is empty; set plan, account or catalog")
            return None
