from fluxrouter_operator.decisions.conditions import ACCEPTED
from fluxrouter_operator.decisions.verdicts import AccountWorld, deletion_refused, judge_account
from fluxrouter_testing.observed_samples import observed_account, observed_plan

ACCOUNT = observed_account(namespace="team-a")
SELECTIVE = observed_plan(namespaceSelector={"matchLabels": {"paid": "yes"}})


def test_an_account_of_an_enforced_plan_is_accepted() -> None:
    world = AccountWorld(ACCOUNT, observed_plan(), plan_enforced=True, namespace_labels={})
    assert judge_account(world) is ACCEPTED


def test_an_account_needs_its_plan() -> None:
    finding = judge_account(AccountWorld(ACCOUNT, None, plan_enforced=False, namespace_labels={}))
    assert finding.reason == "PlanNotFound"
    assert "apply it, or correct spec.plan" in finding.message


def test_an_account_waits_for_its_plan_to_be_enforced() -> None:
    world = AccountWorld(ACCOUNT, observed_plan(), plan_enforced=False, namespace_labels={})
    assert judge_account(world).reason == "PlanNotEnforced"


def test_a_plan_may_be_closed_to_a_namespace() -> None:
    world = AccountWorld(ACCOUNT, SELECTIVE, plan_enforced=True, namespace_labels={"paid": "no"})
    finding = judge_account(world)
    assert finding.reason == "NamespaceNotAllowed"
    assert "not for the namespace team-a" in finding.message


def test_a_selected_namespace_may_use_the_plan() -> None:
    world = AccountWorld(ACCOUNT, SELECTIVE, plan_enforced=True, namespace_labels={"paid": "yes"})
    assert judge_account(world) is ACCEPTED


def test_a_namespace_that_was_not_seen_yet_may_not_use_a_selective_plan() -> None:
    world = AccountWorld(ACCOUNT, SELECTIVE, plan_enforced=True, namespace_labels=None)
    assert judge_account(world).reason == "NamespaceNotAllowed"


def test_the_users_of_a_plan_are_named_but_not_all_of_many() -> None:
    assert "1 account uses it (a/b):" in deletion_refused(["a/b"]).message
    many = [f"a/{number}" for number in range(5)]
    assert "5 accounts use it (a/0, a/1, a/2 and 2 more):" in deletion_refused(many).message
