"""What people and scripts do with the command, in the order in which they would."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

TINY = """\
apiVersion: fluxrouter.ai/v1alpha1
kind: Plan
metadata: {name: tiny}
spec: {capUsd: "0.000001", includedCreditUsd: "0.000001"}
---
apiVersion: fluxrouter.ai/v1alpha1
kind: Account
metadata: {name: tiny}
spec: {plan: tiny}
"""


@pytest.fixture(autouse=True, scope="module")
def examples(fluxrouter: Run) -> None:
    """The example resources, applied."""
    done = fluxrouter("apply", "-f", "examples/resources")
    assert done.returncode == 0, done.stderr


def test_applying_the_examples_again_leaves_them_unchanged(fluxrouter: Run) -> None:
    lines = fluxrouter("apply", "-f", "examples/resources").stdout.splitlines()
    assert "plan/free unchanged" in lines
    assert "account/default/free-demo unchanged" in lines
    assert {line.rpartition(" ")[2] for line in lines} == {"unchanged"}


def test_plans_are_listed_in_protobufs_json_mapping(fluxrouter: Run) -> None:
    answer = json.loads(fluxrouter("get", "plans", "-o", "json").stdout)
    free = next(
        item["plan"] for item in answer["resources"] if item["plan"]["metadata"]["name"] == "free"
    )
    assert free["spec"]["capUsd"] == "1.00"
    assert free["spec"]["paymentMethodRequired"] is True


def test_what_get_prints_as_yaml_can_be_applied_again(fluxrouter: Run) -> None:
    for kind in ("plans", "accounts", "catalog"):
        text = fluxrouter("get", kind, "-o", "yaml").stdout
        again = fluxrouter("apply", "-f", "-", stdin=text)
        assert again.returncode == 0, again.stderr
        assert {line.rpartition(" ")[2] for line in again.stdout.splitlines()} == {"unchanged"}


def test_a_request_is_routed_settled_and_shown_in_the_counters(fluxrouter: Run) -> None:
    route = json.loads(
        fluxrouter("route", "builder-demo", "--prompt", "Hello", "-o", "json").stdout
    )
    settled = json.loads(
        fluxrouter(
            "settle", route["holdId"], "--input-tokens", "2", "--output-tokens", "10", "-o", "json"
        ).stdout
    )
    spend = json.loads(fluxrouter("spend", "builder-demo", "-o", "json").stdout)["spend"]
    assert int(settled["receipt"]["billedNanoUsd"]) > 0
    assert spend["settledNanoUsd"] == settled["receipt"]["billedNanoUsd"]
    assert spend["levels"][0]["level"] == "account"


def test_a_selftest_routes_settles_and_leaves_nothing(fluxrouter: Run) -> None:
    done = fluxrouter("selftest", "--account", "checks/mine")
    assert done.returncode == 0, done.stderr
    assert "the account was charged exactly that" in done.stdout
    assert "checks" not in fluxrouter("get", "accounts").stdout
    assert "checks-mine" not in fluxrouter("get", "plans").stdout


def test_a_hold_can_be_given_back_by_the_requests_id(fluxrouter: Run) -> None:
    fluxrouter("route", "scale-demo", "--prompt", "Hello", "--request-id", "mine")
    released = fluxrouter(
        *("release", "--account", "scale-demo", "--request-id", "mine", "-o", "json")
    )
    assert json.loads(released.stdout)["receipt"]["state"] == "HOLD_STATE_RELEASED"


def test_a_denial_says_why_and_ends_with_3(fluxrouter: Run) -> None:
    fluxrouter("apply", "-f", "-", stdin=TINY)
    denied = fluxrouter("route", "tiny", "--input-tokens", "1000")
    assert denied.returncode == 3
    assert "CAP_REACHED" in denied.stderr
    assert "reset_time" in denied.stderr


def test_a_check_that_does_not_fit_ends_with_3_and_holds_nothing(fluxrouter: Run) -> None:
    fluxrouter("apply", "-f", "-", stdin=TINY)
    checked = fluxrouter("check", "tiny", "--input-tokens", "1000", "-o", "json")
    assert checked.returncode == 3
    assert json.loads(checked.stdout)["reason"] == "CAP_REACHED"
    assert fluxrouter("check", "scale-demo", "--input-tokens", "1000").returncode == 0


def test_a_key_works_until_it_is_revoked(fluxrouter: Run) -> None:
    made = json.loads(fluxrouter("keys", "create", "scale-demo", "laptop", "-o", "json").stdout)
    as_customer = ("--credential", made["secret"], "route", "scale-demo", "--prompt", "Hi")
    assert fluxrouter(*as_customer).returncode == 0
    assert "laptop" in fluxrouter("keys", "list", "scale-demo").stdout
    assert fluxrouter("keys", "revoke", "scale-demo", "laptop").returncode == 0
    refused = fluxrouter(*as_customer)
    assert refused.returncode == 1
    assert "API_KEY_INVALID" in refused.stderr
    assert made["secret"] not in refused.stdout + refused.stderr


def test_one_wrong_resource_changes_nothing_and_its_field_is_named(fluxrouter: Run) -> None:
    wrong = TINY.replace("name: tiny", "name: other").replace("plan: tiny", "plan: missing")
    refused = fluxrouter("apply", "-f", "-", stdin=wrong)
    assert refused.returncode == 1
    assert "spec.plan" in refused.stderr
    assert "NOT_FOUND" in fluxrouter("get", "plans", "other").stderr


def test_a_dry_run_changes_nothing(fluxrouter: Run) -> None:
    text = TINY.replace("tiny", "dry")
    assert (
        "plan/dry created (dry run)"
        in fluxrouter("apply", "--dry-run", "-f", "-", stdin=text).stdout
    )
    assert "NOT_FOUND" in fluxrouter("get", "plans", "dry").stderr


def test_a_plan_in_use_is_not_deleted(fluxrouter: Run) -> None:
    refused = fluxrouter("delete", "plan", "free")
    assert refused.returncode == 3
    assert "RESOURCE_IN_USE" in refused.stderr
    assert fluxrouter("get", "plans", "free").returncode == 0


def test_a_refusal_is_one_json_object_where_json_was_asked_for(fluxrouter: Run) -> None:
    refused = fluxrouter("get", "plans", "absent", "-o", "json")
    error = json.loads(refused.stderr.removeprefix("Error: "))
    assert error["code"] == "NOT_FOUND"
    assert error["reason"] == "RESOURCE_NOT_FOUND"


def test_a_server_that_is_not_there_ends_with_4(fluxrouter: Run) -> None:
    nowhere = fluxrouter("--server", "127.0.0.1:1", "get", "plans")
    assert nowhere.returncode == 4
    assert "UNAVAILABLE" in nowhere.stderr


def test_a_credential_is_not_sent_in_plain_text_to_another_machine(fluxrouter: Run) -> None:
    refused = fluxrouter("--server", "192.0.2.1:50051", "--credential", "fs-x", "get", "plans")
    assert refused.returncode == 2
    assert "--tls-ca" in refused.stderr


def test_version_names_the_distribution(fluxrouter: Run) -> None:
    assert fluxrouter("version").stdout.startswith("fluxrouter ")


def a_shell_that_hears_ctrl_c() -> None:
    """What starts the tests may ignore SIGINT, which children inherit; a shell does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_watching_prints_the_counters_at_once_and_ends_with_ctrl_c(
    fluxrouter: Run, server_address: str
) -> None:
    fluxrouter("apply", "-f", "examples/resources")
    command = [sys.executable, "-m", "fluxrouter_server", "--server", server_address]
    with subprocess.Popen(
        [*command, "spend", "scale-demo", "--watch"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=a_shell_that_hears_ctrl_c,  # noqa: PLW1509 - it takes no lock
    ) as watching:
        assert watching.stdout is not None
        assert any(line.startswith("LEVEL") for line in watching.stdout)
        watching.send_signal(signal.SIGINT)
        assert watching.wait() == 0
