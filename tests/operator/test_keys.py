"""API keys in Secrets: made, rotated, revoked, and nobody else's Secret touched."""

import base64
import re
from typing import Any

import pytest

from fluxrouter.v1 import control_pb2, router_pb2
from fluxrouter_server.cli.session import CallRefused
from fluxrouter_testing.kubernetes_api import Refused
from fluxrouter_testing.kubernetes_platform import Platform, condition
from fluxrouter_testing.kubernetes_samples import (
    Document,
    account_document,
    plan_document,
)

DAY_SECONDS = 86_400
ONE_OF_FOUR = ["Ready", "SecretNotOurs", "SecretNotOurs", "SecretNotOurs"]


@pytest.fixture
def name(platform: Platform) -> str:
    """An account of this name with the key `ci` in the Secret `<name>-ci`."""
    unique = platform.new_name("k")
    platform.apply(plan_document(unique), with_keys(unique, key(unique)))
    platform.wait_ready("account", unique)
    return unique


def test_a_key_is_made_and_works(platform: Platform, name: str) -> None:
    assert works(platform, text(platform, f"{name}-ci"))
    (shown,) = platform.status("account", name)["apiKeys"]
    assert (shown["name"], shown["secretName"]) == ("ci", f"{name}-ci")
    assert shown["createTime"]
    assert [reason for reason, _ in platform.events(name)] == ["KeyCreated"]


def test_a_secret_belongs_to_its_account(platform: Platform, name: str) -> None:
    secret = read(platform, f"{name}-ci")
    assert secret is not None
    (owner,) = secret["metadata"]["ownerReferences"]
    account = platform.resource("account", name) or {}
    assert owner["uid"] == account["metadata"]["uid"]
    assert secret["metadata"]["labels"]["fluxrouter.ai/account"] == name


def test_a_key_keeps_its_cap(platform: Platform, name: str) -> None:
    platform.apply(with_keys(name, {**key(name), "capUsd": "0.000001"}))
    platform.wait_ready("account", name)
    with pytest.raises(CallRefused) as refused:
        route(platform, text(platform, f"{name}-ci"))
    assert refused.value.facts["level"] == "key/ci"


def test_a_key_without_a_secret_is_left_alone(platform: Platform, name: str) -> None:
    platform.apply(with_keys(name, key(name), {"name": "by-hand"}))
    platform.wait_ready("account", name)
    made = control_pb2.CreateKeyRequest(account=name, name="by-hand")
    by_hand = platform.session.call(platform.session.control.CreateKey, made).secret
    platform.apply(with_keys(name, key(name)))
    platform.wait_ready("account", name)
    assert works(platform, by_hand)


def test_a_raised_rotation_rotates_once_and_leaves_a_grace(platform: Platform, name: str) -> None:
    first = text(platform, f"{name}-ci")
    platform.apply(with_keys(name, key(name, rotation=1, rotationGraceSeconds=3600)))
    platform.wait(lambda: text(platform, f"{name}-ci") != first)
    second = text(platform, f"{name}-ci")
    assert works(platform, first)
    assert works(platform, second)
    platform.fleet.clock.advance(3601)
    assert not works(platform, first)
    assert works(platform, second)
    platform.wait(lambda: platform.status("account", name)["apiKeys"][0].get("rotation") == 1)
    assert active(platform, name) == 1


def test_a_rotation_without_grace_ends_the_old_key_at_once(platform: Platform, name: str) -> None:
    first = text(platform, f"{name}-ci")
    platform.apply(with_keys(name, key(name, rotation=1, rotationGraceSeconds=0)))
    platform.wait(lambda: text(platform, f"{name}-ci") != first)
    assert not works(platform, first)


def test_a_removed_key_is_revoked_and_its_secret_deleted(platform: Platform, name: str) -> None:
    removed = text(platform, f"{name}-ci")
    platform.apply(with_keys(name))
    platform.wait(lambda: read(platform, f"{name}-ci") is None)
    assert not works(platform, removed)
    platform.wait(lambda: not platform.status("account", name)["apiKeys"])
    platform.wait(lambda: "KeyRevoked" in [reason for reason, _ in platform.events(name)])


def test_a_deleted_secret_is_replaced_by_a_rotated_key(platform: Platform, name: str) -> None:
    lost = text(platform, f"{name}-ci")
    platform.api.kubectl("delete", "secret", f"{name}-ci")
    platform.wait(lambda: read(platform, f"{name}-ci") is not None)
    assert text(platform, f"{name}-ci") != lost
    assert works(platform, text(platform, f"{name}-ci"))
    assert works(platform, lost)  # for the grace: pods that hold it go on
    platform.fleet.clock.advance(DAY_SECONDS + 1)
    assert not works(platform, lost)


def test_an_edited_secret_gets_a_key_that_works(platform: Platform, name: str) -> None:
    platform.api.kubectl("patch", "secret", f"{name}-ci", "-p", '{"stringData":{"api-key":"x"}}')
    platform.wait(lambda: works(platform, text(platform, f"{name}-ci")))


def test_a_key_revoked_by_hand_stays_revoked_and_a_new_one_is_made(
    platform: Platform, name: str
) -> None:
    leaked = text(platform, f"{name}-ci")
    revoke = control_pb2.RevokeKeyRequest(account=name, name="ci")
    platform.session.call(platform.session.control.RevokeKey, revoke)
    platform.wait(lambda: text(platform, f"{name}-ci") != leaked)
    assert not works(platform, leaked)
    assert works(platform, text(platform, f"{name}-ci"))


def test_somebody_elses_secret_is_never_overwritten(platform: Platform) -> None:
    name = platform.new_name("k")
    platform.api.kubectl("create", "secret", "generic", f"{name}-ci", "--from-literal=mine=1")
    platform.apply(plan_document(name), with_keys(name, key(name)))
    refused = platform.wait_condition("account", name, "Ready=False/SecretNotOurs")
    assert f"the Secret {name}-ci belongs to somebody" in refused["message"]
    platform.wait_condition("account", name, "Enforced=True")
    secret = read(platform, f"{name}-ci") or {}
    assert set(secret["data"]) == {"mine"}
    assert listed(platform, name) == []
    platform.api.kubectl("delete", "secret", f"{name}-ci")
    platform.wait_ready("account", name)
    assert works(platform, text(platform, f"{name}-ci"))


def test_a_secret_that_loses_its_owner_is_somebody_elses(platform: Platform, name: str) -> None:
    kept = text(platform, f"{name}-ci")
    no_owner = '{"metadata":{"ownerReferences":null}}'
    platform.api.kubectl("patch", "secret", f"{name}-ci", "--type=merge", "-p", no_owner)
    platform.wait_condition("account", name, "Ready=False/SecretNotOurs")
    assert text(platform, f"{name}-ci") == kept


def test_of_two_accounts_that_claim_a_secret_the_first_keeps_it(
    platform: Platform, name: str
) -> None:
    kept = text(platform, f"{name}-ci")
    other = f"{name}-other"
    claim = {"name": "ci", "secret": {"name": f"{name}-ci"}}
    platform.apply({**with_keys(other, claim), "spec": {"plan": name, "apiKeys": [claim]}})
    refused = platform.wait_condition("account", other, "Ready=False/SecretNotOurs")
    assert f"belongs to Account {name}" in refused["message"]
    assert text(platform, f"{name}-ci") == kept
    assert listed(platform, other) == []
    platform.wait_ready("account", name)


def test_of_accounts_that_claim_a_secret_at_once_one_gets_it(platform: Platform) -> None:
    plan = platform.new_name("k")
    names = [f"{plan}-{number}" for number in range(4)]
    claim = {"name": "ci", "secret": {"name": f"{plan}-shared"}}
    claims = [account_document(name, plan=plan, apiKeys=[claim]) for name in names]
    platform.apply(plan_document(plan), *claims)
    platform.wait(lambda: sorted(ready_reason(platform, name) for name in names) == ONE_OF_FOUR)
    (winner,) = [name for name in names if ready_reason(platform, name) == "Ready"]
    kept = read(platform, f"{plan}-shared") or {}
    assert kept["metadata"]["labels"]["fluxrouter.ai/account"] == winner
    assert works(platform, text(platform, f"{plan}-shared"))


def test_a_key_does_not_come_back_with_its_account(platform: Platform, name: str) -> None:
    """Without a controller manager nobody collects the Secret but the test."""
    old = text(platform, f"{name}-ci")
    platform.api.kubectl("delete", "account", name)
    platform.api.kubectl("delete", "secret", f"{name}-ci")
    platform.apply(with_keys(name, key(name)))
    platform.wait_ready("account", name)
    assert not works(platform, old)
    assert works(platform, text(platform, f"{name}-ci"))


def test_a_secret_is_handed_on_within_an_account(platform: Platform, name: str) -> None:
    first = text(platform, f"{name}-ci")
    platform.apply(with_keys(name, {"name": "cd", "secret": {"name": f"{name}-ci"}}))
    platform.wait_ready("account", name)
    platform.wait(lambda: read(platform, f"{name}-ci") is not None)
    platform.wait(lambda: text(platform, f"{name}-ci") != first)
    assert not works(platform, first)
    assert works(platform, text(platform, f"{name}-ci"))


def test_no_key_is_in_status_events_or_logs(platform: Platform, name: str) -> None:
    secrets = [text(platform, f"{name}-ci")]
    platform.apply(with_keys(name, key(name, rotation=1)))
    platform.wait(lambda: text(platform, f"{name}-ci") not in secrets)
    secrets.append(text(platform, f"{name}-ci"))
    platform.wait(lambda: platform.status("account", name)["apiKeys"][0].get("rotation") == 1)
    shown = "\n".join(
        [
            platform.api.kubectl("get", "account", name, "-o", "yaml"),
            platform.api.kubectl("get", "events", "-o", "yaml"),
            platform.operator.log.read_text(),
        ]
    )
    for secret in secrets:
        # Not even a part of the random text, which is what comes after the account's uid.
        *_, random, _ = re.split("-", secret)
        assert random not in shown


def key(name: str, **secret: object) -> Document:
    return {"name": "ci", "secret": {"name": f"{name}-ci", **secret}}


def with_keys(name: str, *keys: Document) -> Document:
    return account_document(name, plan=name, apiKeys=list(keys))


def read(platform: Platform, secret: str) -> Document | None:
    try:
        found: Document = platform.api.call("GET", f"/api/v1/namespaces/default/secrets/{secret}")
    except Refused as refused:
        if refused.code == 404:
            return None
        raise
    return found


def text(platform: Platform, secret: str) -> str:
    """The key that a Secret holds; empty while there is none."""
    data: dict[str, Any] = (read(platform, secret) or {}).get("data", {})
    return base64.b64decode(data.get("api-key", "")).decode()


def route(platform: Platform, api_key: str) -> router_pb2.RouteResponse:
    request = router_pb2.RouteRequest(
        api_key=api_key, model="flux-auto", input_tokens=100, max_output_tokens=1
    )
    return platform.session.call(platform.session.router.Route, request)


def works(platform: Platform, api_key: str) -> bool:
    try:
        route(platform, api_key)
    except CallRefused as refused:
        if refused.reason != "API_KEY_INVALID":
            raise
        return False
    return True


def listed(platform: Platform, account: str) -> list[control_pb2.ApiKey]:
    request = control_pb2.ListKeysRequest(account=account)
    return list(platform.session.call(platform.session.control.ListKeys, request).keys)


def ready_reason(platform: Platform, account: str) -> str:
    reason: str = condition(platform.status("account", account), "Ready").get("reason", "")
    return reason


def active(platform: Platform, account: str) -> int:
    return sum(key.state == control_pb2.API_KEY_STATE_ACTIVE for key in listed(platform, account))
