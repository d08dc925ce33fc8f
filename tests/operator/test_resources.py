"""From `kubectl apply` to what every replica enforces, and back into `kubectl get`."""

import pytest

from fluxrouter.v1 import control_pb2
from fluxrouter_testing.kubernetes_platform import Platform, condition
from fluxrouter_testing.kubernetes_samples import (
    Document,
    account_document,
    catalog_document,
    plan_document,
    varied,
)
from fluxrouter_testing.kubernetes_traffic import denial, route, settle, spend


@pytest.fixture
def name(platform: Platform) -> str:
    """A plan and an account of this name, which no other test has."""
    unique = platform.new_name()
    platform.apply(plan_document(unique), account_document(unique, plan=unique))
    platform.wait_ready("account", unique)
    return unique


def test_an_applied_account_is_enforced_and_says_so(platform: Platform, name: str) -> None:
    status = platform.wait_ready("account", name)
    assert condition(status, "Enforced")["reason"] == "Acknowledged"
    assert status["observedGeneration"] == 1
    counters = spend(platform, name)
    assert (counters.plan, counters.cap_nano_usd) == (name, 1_000_000_000)
    assert status["uid"]


def test_a_changed_plan_is_enforced_for_its_accounts(platform: Platform, name: str) -> None:
    platform.apply(plan_document(name, capUsd="0.50"))
    platform.wait_ready("plan", name)
    assert cap_nano_usd(platform, name) == 500_000_000


def test_a_changed_account_is_enforced(platform: Platform, name: str) -> None:
    platform.apply(account_document(name, plan=name, suspended=True))
    platform.wait_ready("account", name)
    assert denial(platform, name) == "ACCOUNT_SUSPENDED"


def test_a_changed_catalog_is_enforced(platform: Platform, name: str) -> None:
    more = {**catalog_document()["spec"]["models"][0], "id": "small-2"}
    models = [*catalog_document()["spec"]["models"], more]
    platform.apply(varied(catalog_document(), {"models": models}))
    assert platform.wait_ready("catalog", "default")["models"] == 2
    assert route(platform, name, model="small-2").model == "small-2"
    platform.apply(catalog_document())
    platform.wait_ready("catalog", "default")


def test_a_plan_counts_its_accounts(platform: Platform, name: str) -> None:
    platform.apply(account_document(f"{name}-2", plan=name))
    platform.wait(lambda: platform.status("plan", name)["accounts"] == 2)
    platform.api.kubectl("delete", "account", f"{name}-2")
    platform.wait(lambda: platform.status("plan", name)["accounts"] == 1)


def test_an_account_may_come_before_its_plan(platform: Platform) -> None:
    name = platform.new_name()
    platform.apply(account_document(name, plan=name))
    refused = platform.wait_condition("account", name, "Ready=False/PlanNotFound")
    assert f"There is no Plan {name}: apply it" in refused["message"]
    platform.apply(plan_document(name))
    platform.wait_ready("account", name)


def test_what_only_the_server_can_refuse_shows_in_the_status(platform: Platform, name: str) -> None:
    platform.apply(account_document(name, plan=name, billing={"timeZone": "Mars/Olympus"}))
    refused = platform.wait_condition("account", name, "Accepted=False/Refused")
    assert "spec.billing.timeZone: unknown time zone 'Mars/Olympus'" in refused["message"]
    enforced = platform.wait_condition("account", name, "Enforced=False/NotAccepted")
    assert enforced["message"].startswith("Generation 1 stays in force.")
    platform.apply(account_document(name, plan=name))
    platform.wait_ready("account", name)


def test_one_wrong_account_does_not_hold_up_the_others(platform: Platform, name: str) -> None:
    documents = [account_document(f"{name}-{number}", plan=name) for number in range(20)]
    documents[7]["spec"]["billing"] = {"timeZone": "Nowhere/Land"}
    documents[13]["spec"]["apiKeys"] = [{"name": "k", "allowedModels": ["nobody"]}]
    platform.apply(*documents)
    platform.wait_condition("account", f"{name}-7", "Accepted=False/Refused")
    platform.wait_condition("account", f"{name}-13", "Accepted=False/Refused")
    for number in set(range(20)) - {7, 13}:
        platform.wait_ready("account", f"{name}-{number}")


def test_a_deleted_account_is_denied_before_it_is_gone(platform: Platform, name: str) -> None:
    """A finalizer of the test's own keeps the object after the operator has let it go."""
    ours = platform.resource("account", name) or {}
    held = [*ours["metadata"]["finalizers"], "test.fluxrouter.ai/hold"]
    patch(platform, name, {"metadata": {"finalizers": held}})
    platform.api.kubectl("delete", "account", name, "--wait=false")
    platform.wait(lambda: finalizers(platform, name) == ["test.fluxrouter.ai/hold"])
    assert denial(platform, name) == "RESOURCE_NOT_FOUND"
    patch(platform, name, {"metadata": {"finalizers": []}})
    platform.wait(lambda: platform.resource("account", name) is None)


def test_a_recreated_account_goes_on_counting_where_it_was(platform: Platform, name: str) -> None:
    settle(platform, route(platform, name))
    settled = spend(platform, name).settled_nano_usd
    platform.api.kubectl("delete", "account", name)
    platform.apply(account_document(name, plan=name))
    platform.wait_ready("account", name)
    assert spend(platform, name).settled_nano_usd == settled > 0


def test_a_plan_in_use_is_not_deleted_and_stays_in_force(platform: Platform, name: str) -> None:
    platform.api.kubectl("delete", "plan", name, "--wait=false")
    refused = platform.wait_condition("plan", name, "Ready=False/DeletionRefused")
    assert f"1 account uses it (default/{name})" in refused["message"]
    assert route(platform, name).model == "small-1"
    other = platform.new_name()
    platform.apply(plan_document(other), account_document(name, plan=other))
    platform.wait(lambda: platform.resource("plan", name) is None)
    platform.wait_ready("account", name)


def test_a_deleted_plan_in_use_can_still_be_edited(platform: Platform, name: str) -> None:
    platform.api.kubectl("delete", "plan", name, "--wait=false")
    platform.wait_condition("plan", name, "Ready=False/DeletionRefused")
    platform.apply(plan_document(name, capUsd="0.25"))
    platform.wait(lambda: cap_nano_usd(platform, name) == 250_000_000)
    platform.api.kubectl("delete", "account", name)
    platform.wait(lambda: platform.resource("plan", name) is None)


def test_a_plan_that_only_the_server_knows_accounts_of_is_not_deleted(platform: Platform) -> None:
    name = platform.new_name()
    platform.apply(plan_document(name))
    platform.wait_ready("plan", name)
    outside = control_pb2.Resource()
    outside.account.metadata.name = name
    outside.account.spec.plan = name
    platform.session.call(
        platform.session.control.Apply, control_pb2.ApplyRequest(resources=[outside])
    )
    platform.api.kubectl("delete", "plan", name, "--wait=false")
    refused = platform.wait_condition("plan", name, "Ready=False/DeletionRefused")
    assert f"default/{name}" in refused["message"]
    gone = control_pb2.DeleteRequest(kind=control_pb2.RESOURCE_KIND_ACCOUNT, names=[name])
    platform.session.call(platform.session.control.Delete, gone)
    platform.wait(lambda: platform.resource("plan", name) is None)


def test_the_catalog_is_not_deleted_while_plans_need_it(platform: Platform, name: str) -> None:
    platform.api.kubectl("delete", "catalog", "default", "--wait=false")
    platform.wait_condition("catalog", "default", "Ready=False/DeletionRefused")
    assert route(platform, name).model == "small-1"
    # Somebody takes the finalizer off by hand: the cluster forgets it, the server does not.
    path = "/apis/fluxrouter.ai/v1alpha1/catalogs/default"
    platform.api.call("PATCH", path, {"metadata": {"finalizers": []}})
    platform.wait(lambda: platform.resource("catalog", "default") is None)
    platform.apply(catalog_document())
    platform.wait_ready("catalog", "default")
    assert route(platform, name).model == "small-1"


def test_a_plan_is_for_the_namespaces_that_it_selects(platform: Platform) -> None:
    name = platform.new_name("ns")
    platform.api.kubectl("create", "namespace", name)
    platform.apply(
        plan_document(name, namespaceSelector={"matchLabels": {"paid": "yes"}}),
        account_document(name, name, plan=name),
    )
    refused = platform.wait_condition("account", name, "Ready=False/NamespaceNotAllowed", name)
    assert f"not for the namespace {name}" in refused["message"]
    assert denial(platform, f"{name}/{name}") == "RESOURCE_NOT_FOUND"
    platform.api.kubectl("label", "namespace", name, "paid=yes")
    platform.wait_ready("account", name, name)
    platform.apply(plan_document(name, namespaceSelector={"matchLabels": {"paid": "no"}}))
    platform.wait_condition("account", name, "Ready=False/NamespaceNotAllowed", name)
    # What was enforced stays so: closing a plan to a namespace breaks nobody who is on it.
    platform.wait_condition("account", name, "Enforced=True", name)
    platform.apply(plan_document(name))
    platform.wait_ready("account", name, name)


def cap_nano_usd(platform: Platform, account: str) -> int:
    return spend(platform, account).cap_nano_usd


def finalizers(platform: Platform, name: str) -> list[str]:
    found: list[str] = (platform.resource("account", name) or {})["metadata"]["finalizers"]
    return found


def patch(platform: Platform, name: str, change: Document) -> None:
    path = f"/apis/fluxrouter.ai/v1alpha1/namespaces/default/accounts/{name}"
    platform.api.call("PATCH", path, change)
