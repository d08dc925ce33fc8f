from dataclasses import replace

from fluxrouter_operator.reconcile.view import View
from fluxrouter_testing.observed_samples import observed_account, observed_plan

ACCOUNT = observed_account()


def seen(version: str) -> View:
    view = View()
    view.put(replace(ACCOUNT, resource_version=version))
    return view


def test_what_was_seen_is_there() -> None:
    view = seen("5")
    found = view.get(ACCOUNT.key)
    assert found is not None
    assert found.resource_version == "5"
    assert view.accounts_of("free") == [ACCOUNT.key]
    assert view.accounts_in("default") == [ACCOUNT.key]


def test_an_older_sight_is_no_news() -> None:
    view = seen("5")
    assert not view.put(replace(ACCOUNT, resource_version="5"))
    assert not view.put(replace(ACCOUNT, resource_version="4"))
    assert view.put(replace(ACCOUNT, resource_version="10"))


def test_an_account_that_moved_is_found_under_its_new_plan_alone() -> None:
    view = seen("5")
    moved = observed_account(plan="paid")
    view.put(replace(moved, resource_version="6"))
    assert view.accounts_of("free") == []
    assert view.accounts_of("paid") == [ACCOUNT.key]


def test_an_account_that_is_being_deleted_uses_no_plan() -> None:
    view = seen("5")
    view.put(replace(ACCOUNT, resource_version="6", deleting=True))
    assert view.accounts_of("free") == []


def test_what_is_gone_is_gone_everywhere() -> None:
    view = seen("5")
    assert view.remove(ACCOUNT.key, ACCOUNT.uid)
    assert view.get(ACCOUNT.key) is None
    assert view.accounts_of("free") == []
    assert view.accounts_in("default") == []
    assert not view.remove(ACCOUNT.key, ACCOUNT.uid)


def test_the_end_of_an_earlier_one_does_not_take_away_its_successor() -> None:
    view = seen("5")
    successor = replace(ACCOUNT, uid="another", resource_version="9")
    view.put(successor)
    assert not view.remove(ACCOUNT.key, ACCOUNT.uid)
    assert view.get(ACCOUNT.key) == successor


def test_a_released_resource_does_not_come_back_by_an_echo() -> None:
    view = seen("5")
    view.release(ACCOUNT)
    assert not view.put(replace(ACCOUNT, resource_version="6"))
    assert view.get(ACCOUNT.key) is None
    assert view.put(replace(ACCOUNT, uid="another", resource_version="7"))


def test_kinds_are_kept_apart() -> None:
    view = seen("5")
    view.put(observed_plan("demo"))
    assert {item.key.kind for item in view.all()} == {"Plan", "Account"}
    assert [item.key for item in view.all_of(ACCOUNT.key.kind)] == [ACCOUNT.key]


def test_labels_of_a_namespace_are_news_when_they_change() -> None:
    view = View()
    assert view.namespace_labels("team") is None
    assert view.put_namespace("team", {"paid": "yes"})
    assert not view.put_namespace("team", {"paid": "yes"})
    view.remove_namespace("team")
    assert view.namespace_labels("team") is None
