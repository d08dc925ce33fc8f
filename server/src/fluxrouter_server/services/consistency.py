"""Whether documents are right, also against each other and against those that are stored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fluxrouter_server.domain.account_rules import validate_account
from fluxrouter_server.domain.accounts import Account
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.catalog_rules import validate_catalog
from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.domain.plan_rules import validate_plan
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.routing.tier_policies import TierPolicies
from fluxrouter_server.services.control_documents import Document, Kind, kind_of, name_of


@dataclass(frozen=True, slots=True)
class World:
    """What will be in force once the documents are: the catalog, and the plans they refer to.

    `kept_plans` are the stored plans that stay as they are; only a new catalog needs them, and
    `policies`, which know what its tier models are.
    """

    catalog: Catalog | None
    plans: Mapping[PlanName, Plan]
    policies: TierPolicies
    kept_plans: Sequence[Plan] = ()


def violations(documents: Sequence[Document], world: World) -> Iterator[FieldViolation]:
    """Say what is wrong, with paths such as `resources[2].plan.spec.lanes`."""
    yield from _duplicates(documents)
    for index, document in enumerate(documents):
        path = f"resources[{index}].{kind_of(document)}"
        for found in _of_one(document, world):
            yield FieldViolation(f"{path}.{found.field}", found.description)


def _of_one(document: Document, world: World) -> Iterable[FieldViolation]:
    match document:
        case Plan():
            return validate_plan(document, world.catalog)
        case Account():
            return validate_account(document, world.plans.get(document.plan), world.catalog)
        case Catalog():
            return (
                *validate_catalog(document),
                *world.policies.violations(document),
                *_still_needed(document, world.kept_plans),
            )


def _still_needed(catalog: Catalog, plans: Iterable[Plan]) -> Iterator[FieldViolation]:
    """What stored plans refer to and the new catalog lacks."""
    for plan in plans:
        for lane in sorted((plan.lanes or frozenset()) - catalog.lanes.keys()):
            yield _lacks("spec.lanes", "lane", lane, plan)
        for model in sorted((plan.models or frozenset()) - catalog.models.keys()):
            yield _lacks("spec.models", "model", model, plan)


def _lacks(field: str, what: str, name: str, plan: Plan) -> FieldViolation:
    return FieldViolation(
        field,
        f"the plan {plan.name} needs the {what} {name}; keep it, or change the plan with the "
        "catalog or before it",
    )


def _duplicates(documents: Sequence[Document]) -> Iterator[FieldViolation]:
    first: dict[tuple[Kind, str], int] = {}
    for index, document in enumerate(documents):
        identity = (kind_of(document), name_of(document))
        earlier = first.setdefault(identity, index)
        if earlier != index:
            yield FieldViolation(
                f"resources[{index}].{identity[0]}.metadata.name",
                f"resources[{earlier}] is the same {identity[0]}; give each one once",
            )
