from collections.abc import Sequence
from dataclasses import replace

import pytest

from fluxrouter_server.domain.accounts import KeyLimits
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import KeyName, LaneId, ModelId, PlanName
from fluxrouter_server.routing.tier_policies import TierPolicies
from fluxrouter_server.services.control_service import (
    Applied,
    ControlService,
    Document,
    Kind,
    Page,
)
from fluxrouter_server.services.ports.documents import Change
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.port_doubles import MemoryDocuments
from fluxrouter_testing.resources import sample_account, sample_plan
from fluxrouter_testing.tier_models import tier_model

EXPRESS = LaneId("express")


class Control:
    def __init__(self) -> None:
        self.documents = MemoryDocuments()
        self.service = ControlService(
            plans=self.documents,
            accounts=self.documents,
            catalogs=self.documents,
            policies=TierPolicies(tier_model()),
        )

    async def apply(self, *documents: Document, validate_only: bool = False) -> list[Applied]:
        done = await self.service.apply(documents, validate_only=validate_only)
        assert not isinstance(done, Denial), done
        return list(done)

    async def wrong_fields(self, *documents: Document) -> list[str]:
        refused = await self.service.apply(documents, validate_only=False)
        assert isinstance(refused, Denial)
        assert refused.reason is Reason.INVALID_REQUEST
        return [violation.field for violation in refused.violations]

    async def names(
        self, kind: Kind, namespace: str = "", page_size: int = 0, token: str = ""
    ) -> tuple[list[str], str]:
        page = await self.service.list_page(
            kind, namespace=namespace, page_size=page_size, page_token=token
        )
        assert isinstance(page, Page)
        return [_name(record) for record in page.records], page.next_token


def _name(record: object) -> str:
    for kind in ("plan", "account"):
        if hasattr(record, kind):
            return str(getattr(record, kind).name)
    return "default"


@pytest.fixture
async def control() -> Control:
    made = Control()
    await made.documents.put_catalog(full_catalog())
    await made.documents.put_plan(sample_plan())
    return made


async def test_documents_that_need_each_other_are_applied_in_any_order() -> None:
    done = await Control().apply(sample_account(), sample_plan(), full_catalog())
    assert [(item.kind, item.name, item.change) for item in done] == [
        (Kind.ACCOUNT, "demo/free", Change.CREATED),
        (Kind.PLAN, "free", Change.CREATED),
        (Kind.CATALOG, "default", Change.CREATED),
    ]


async def test_an_account_may_name_a_stored_plan(control: Control) -> None:
    (done,) = await control.apply(sample_account())
    assert done.uid


async def test_an_equal_document_is_left_alone(control: Control) -> None:
    (done,) = await control.apply(sample_plan())
    assert done.change is Change.UNCHANGED


async def test_nothing_is_written_when_one_document_is_wrong(control: Control) -> None:
    lost = replace(sample_account("demo/lost"), plan=PlanName("gone"))
    fields = await control.wrong_fields(sample_account(), lost)
    assert fields == ["resources[1].account.spec.plan"]
    assert not control.documents.accounts


async def test_a_plan_needs_lanes_and_models_of_the_catalog(control: Control) -> None:
    plan = replace(
        sample_plan("new"), lanes=frozenset({LaneId("turbo")}), models=frozenset({ModelId("x")})
    )
    fields = await control.wrong_fields(plan)
    assert fields == ["resources[0].plan.spec.lanes", "resources[0].plan.spec.models"]


async def test_a_key_needs_models_of_the_catalog(control: Control) -> None:
    key = KeyLimits(KeyName("ci"), None, None, frozenset({ModelId("x")}))
    fields = await control.wrong_fields(replace(sample_account(), keys=(key,)))
    assert fields == ["resources[0].account.spec.apiKeys[0].allowedModels"]


async def test_a_new_catalog_must_keep_what_stored_plans_name(control: Control) -> None:
    await control.apply(replace(sample_plan(), lanes=frozenset({EXPRESS})))
    full = full_catalog()
    lanes = {lane: value for lane, value in full.lanes.items() if lane != EXPRESS}
    fields = await control.wrong_fields(replace(full, lanes=lanes))
    assert "resources[0].catalog.spec.lanes" in fields


async def test_a_lane_goes_together_with_the_plan_that_named_it(control: Control) -> None:
    await control.apply(replace(sample_plan(), models=frozenset({ModelId("embedder")})))
    full = full_catalog()
    models = {model: value for model, value in full.models.items() if model != "embedder"}
    await control.apply(replace(full, models=models), sample_plan())


async def test_each_identity_comes_once(control: Control) -> None:
    fields = await control.wrong_fields(sample_plan(), sample_plan())
    assert fields == ["resources[1].plan.metadata.name"]


async def test_a_call_has_at_most_a_thousand_documents(control: Control) -> None:
    fields = await control.wrong_fields(*[sample_plan()] * 1001)
    assert fields == ["resources"]


async def test_validating_only_foretells_and_writes_nothing(control: Control) -> None:
    changed = replace(sample_plan(), display_name="Changed")
    done = await control.apply(changed, sample_plan("new"), full_catalog(), validate_only=True)
    assert [item.change for item in done] == [
        Change.CONFIGURED,
        Change.CREATED,
        Change.UNCHANGED,
    ]
    assert list(control.documents.plans) == ["free"]


async def test_reading_keeps_the_order_of_the_names(control: Control) -> None:
    await control.apply(sample_plan("builder"))
    found = await control.service.get(Kind.PLAN, ["free", "builder"])
    assert not isinstance(found, Denial)
    assert [_name(record) for record in found] == ["free", "builder"]


async def test_reading_names_everything_that_is_missing(control: Control) -> None:
    missing = await control.service.get(Kind.PLAN, ["gone", "free", "lost"])
    assert isinstance(missing, Denial)
    assert missing.reason is Reason.RESOURCE_NOT_FOUND
    assert "gone, lost" in missing.message


async def test_a_deleted_account_is_not_read(control: Control) -> None:
    await control.apply(sample_account())
    await control.service.delete(Kind.ACCOUNT, ["demo/free"], ignore_missing=False)
    assert isinstance(await control.service.get(Kind.ACCOUNT, ["demo/free"]), Denial)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_pages_of_any_size_cover_the_list_once(control: Control, size: int) -> None:
    await control.apply(*(sample_account(f"demo/a{number}") for number in range(5)))
    seen: list[str] = []
    token = ""
    while True:
        names, token = await control.names(Kind.ACCOUNT, page_size=size, token=token)
        seen += names
        if not token:
            break
    assert seen == [f"demo/a{number}" for number in range(5)]


async def test_plans_have_pages_too(control: Control) -> None:
    await control.apply(sample_plan("builder"))
    first, token = await control.names(Kind.PLAN, page_size=1)
    second, end = await control.names(Kind.PLAN, page_size=1, token=token)
    assert (first, second, end) == (["builder"], ["free"], "")


async def test_a_namespace_limits_the_list(control: Control) -> None:
    await control.apply(sample_account("a/x"), sample_account("b/x"))
    assert await control.names(Kind.ACCOUNT, namespace="b") == (["b/x"], "")


@pytest.mark.parametrize("token", ["x", "é", "AAAAAAAAAAAAAAAA"])
async def test_a_token_of_something_else_is_refused(control: Control, token: str) -> None:
    refused = await control.service.list_page(
        Kind.PLAN, namespace="", page_size=1, page_token=token
    )
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["page_token"]


async def test_a_token_belongs_to_its_list(control: Control) -> None:
    await control.apply(sample_account("a/x"), sample_account("a/y"))
    _, token = await control.names(Kind.ACCOUNT, namespace="a", page_size=1)
    refused = await control.service.list_page(
        Kind.ACCOUNT, namespace="", page_size=1, page_token=token
    )
    assert isinstance(refused, Denial)


@pytest.mark.parametrize("size", [-1, 1001])
async def test_a_page_has_bounds(control: Control, size: int) -> None:
    refused = await control.service.list_page(
        Kind.PLAN, namespace="", page_size=size, page_token=""
    )
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["page_size"]


async def delete_reason(
    control: Control, kind: Kind, names: Sequence[str], *, ignore_missing: bool = False
) -> Reason | None:
    answer = await control.service.delete(kind, names, ignore_missing=ignore_missing)
    return answer.reason if isinstance(answer, Denial) else None


async def test_a_plan_with_accounts_is_not_deleted(control: Control) -> None:
    await control.apply(sample_account(), sample_plan("idle"))
    assert await delete_reason(control, Kind.PLAN, ["idle", "free"]) is Reason.RESOURCE_IN_USE
    assert sorted(control.documents.plans) == ["free", "idle"]


async def test_a_plan_without_accounts_is_deleted(control: Control) -> None:
    assert await control.service.delete(Kind.PLAN, ["free"], ignore_missing=False) == ("free",)


async def test_a_catalog_with_plans_is_not_deleted(control: Control) -> None:
    assert await delete_reason(control, Kind.CATALOG, ["default"]) is Reason.RESOURCE_IN_USE


async def test_a_missing_document_keeps_the_others_from_being_deleted(control: Control) -> None:
    reason = await delete_reason(control, Kind.PLAN, ["free", "gone"])
    assert reason is Reason.RESOURCE_NOT_FOUND
    assert list(control.documents.plans) == ["free"]


async def test_missing_documents_may_be_ignored(control: Control) -> None:
    done = await control.service.delete(Kind.PLAN, ["gone", "free"], ignore_missing=True)
    assert done == ("free",)
