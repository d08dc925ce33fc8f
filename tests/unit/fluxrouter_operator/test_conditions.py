from datetime import UTC, datetime, timedelta

from fluxrouter.plain_json import to_json
from fluxrouter.v1 import kubernetes_pb2
from fluxrouter_operator.decisions.conditions import (
    ACCEPTED,
    Acknowledgement,
    Finding,
    Silence,
    Standing,
    State,
    conditions,
)
from fluxrouter_operator.decisions.reasons import Reason

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
NO_PLAN = Finding(State.FALSE, Reason.PLAN_NOT_FOUND, "There is no Plan x.")


def acknowledged(generation: int) -> Acknowledgement:
    return Acknowledgement(generation, b"", 1, "uid")


def states(standing: Standing) -> dict[str, tuple[str, str]]:
    return {item.type: (item.status, item.reason) for item in conditions(standing, (), NOW)}


def test_what_the_server_acknowledged_is_ready() -> None:
    assert states(Standing(3, ACCEPTED, acknowledged(3))) == {
        "Accepted": ("True", "Accepted"),
        "Enforced": ("True", "Acknowledged"),
        "Ready": ("True", "Ready"),
    }


def test_an_older_generation_is_not_called_enforced() -> None:
    assert states(Standing(4, ACCEPTED, acknowledged(3)))["Enforced"] == ("Unknown", "Pending")


def test_a_refused_generation_says_which_one_stays_in_force() -> None:
    standing = Standing(4, NO_PLAN, acknowledged(3))
    assert states(standing)["Enforced"] == ("False", "NotAccepted")
    (enforced,) = [c for c in conditions(standing, (), NOW) if c.type == "Enforced"]
    assert enforced.message == "Generation 3 stays in force. There is no Plan x."


def test_what_is_refused_is_not_ready_for_that_reason() -> None:
    assert states(Standing(1, NO_PLAN, None))["Ready"] == ("False", "PlanNotFound")


def test_a_plan_that_became_closed_to_a_namespace_leaves_its_account_enforced() -> None:
    closed = Finding(State.FALSE, Reason.NAMESPACE_NOT_ALLOWED, "no")
    found = states(Standing(3, closed, acknowledged(3)))
    assert found["Enforced"] == ("True", "Acknowledged")
    assert found["Ready"] == ("False", "NamespaceNotAllowed")


def test_a_silent_server_leaves_nothing_known() -> None:
    standing = Standing(3, ACCEPTED, acknowledged(3), silence=Silence(NOW, "UNAVAILABLE"))
    found = states(standing)
    assert found["Enforced"] == ("Unknown", "ServerUnreachable")
    assert found["Ready"] == ("Unknown", "ServerUnreachable")
    assert found["Accepted"] == ("True", "Accepted")


def test_other_trouble_keeps_an_enforced_resource_from_being_ready() -> None:
    trouble = Finding(State.FALSE, Reason.SECRET_NOT_OURS, "no")
    standing = Standing(3, ACCEPTED, acknowledged(3), trouble=trouble)
    assert states(standing)["Ready"] == ("False", "SecretNotOurs")
    assert states(standing)["Enforced"] == ("True", "Acknowledged")


def test_a_status_that_stays_keeps_its_transition_time() -> None:
    first = as_json(conditions(Standing(1, ACCEPTED, acknowledged(1)), (), NOW))
    later = NOW + timedelta(hours=1)
    second = as_json(conditions(Standing(2, ACCEPTED, acknowledged(2)), first, later))
    assert [item["lastTransitionTime"] for item in second] == ["2027-01-15T08:00:00Z"] * 3
    third = as_json(conditions(Standing(3, NO_PLAN, acknowledged(2)), second, later))
    assert [item["lastTransitionTime"] for item in third] == ["2027-01-15T09:00:00Z"] * 3


def test_an_edited_transition_time_is_replaced() -> None:
    before = [{"type": "Ready", "status": "True", "lastTransitionTime": "yesterday"}]
    (ready,) = [
        item
        for item in as_json(conditions(Standing(1, ACCEPTED, acknowledged(1)), before, NOW))
        if item["type"] == "Ready"
    ]
    assert ready["lastTransitionTime"] == "2027-01-15T08:00:00Z"


def as_json(found: list[kubernetes_pb2.Condition]) -> list[dict[str, object]]:
    return [to_json(condition) for condition in found]
