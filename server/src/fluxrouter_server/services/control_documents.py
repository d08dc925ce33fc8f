"""The documents that control deals in, and what their writing and listing answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from fluxrouter_server.domain.accounts import Account
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.limits import AccountRecord, CatalogRecord, Generation, PlanRecord
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.services.ports.documents import Change

Document: TypeAlias = Plan | Account | Catalog
DocumentRecord: TypeAlias = PlanRecord | AccountRecord | CatalogRecord

#: There is one catalog, and this is its name.
CATALOG_NAME: Final = "default"
#: Most documents in one call.
MAX_DOCUMENTS: Final = 1_000


class Kind(StrEnum):
    """Kinds of documents."""

    PLAN = "plan"
    ACCOUNT = "account"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one document; `uid` is empty for others than accounts.

    Under `validate_only` it is what would become of it, with the generation in force now (None
    where there is no such document yet).
    """

    kind: Kind
    name: str
    change: Change
    generation: Generation | None
    uid: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of documents; an empty token means that it is the last."""

    records: tuple[DocumentRecord, ...]
    next_token: str


def kind_of(document: Document) -> Kind:
    """Return a document's kind."""
    match document:
        case Plan():
            return Kind.PLAN
        case Account():
            return Kind.ACCOUNT
        case Catalog():
            return Kind.CATALOG
        case _:
            assert_never(document)


def name_of(document: Document) -> str:
    """Return a document's name, `namespace/name` for accounts."""
    return CATALOG_NAME if isinstance(document, Catalog) else document.name


def document_of(record: DocumentRecord) -> Document:
    """Return the document in a record."""
    match record:
        case PlanRecord():
            return record.plan
        case AccountRecord():
            return record.account
        case CatalogRecord():
            return record.catalog
        case _:
            assert_never(record)


def applied(record: DocumentRecord, change: Change) -> Applied:
    """Describe what was done, by the record in force after it."""
    document = document_of(record)
    uid = record.uid if isinstance(record, AccountRecord) else ""
    return Applied(kind_of(document), name_of(document), change, record.generation, uid)
