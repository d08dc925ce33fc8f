"""ControlService over the wire."""

import grpc

from fluxrouter.v1 import control_pb2
from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.domain.keys import format_api_key, hash_api_key
from fluxrouter_testing.customers import account, plan
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop

PLAN = control_pb2.RESOURCE_KIND_PLAN
ACCOUNT = control_pb2.RESOURCE_KIND_ACCOUNT


async def apply(
    shop: Shop, *resources: control_pb2.Resource, validate_only: bool = False
) -> list[control_pb2.AppliedResource]:
    request = control_pb2.ApplyRequest(resources=resources, validate_only=validate_only)
    return list((await shop.connection.control.Apply(request)).results)


async def get(
    shop: Shop, kind: control_pb2.ResourceKind.ValueType, *names: str
) -> list[control_pb2.Resource]:
    request = control_pb2.GetRequest(kind=kind, names=names)
    return list((await shop.connection.control.Get(request)).resources)


async def test_applying_says_what_was_done_in_the_order_asked(shop: Shop) -> None:
    first = await apply(shop, account("fresh", "fresh-plan"), plan("fresh-plan", "2"))
    assert [(item.kind, item.name, item.action) for item in first] == [
        (ACCOUNT, "default/fresh", control_pb2.APPLY_ACTION_CREATED),
        (PLAN, "fresh-plan", control_pb2.APPLY_ACTION_CREATED),
    ]
    assert len(first[0].uid) == 16
    again = await apply(shop, account("fresh", "fresh-plan"), plan("fresh-plan", "3"))
    assert [item.action for item in again] == [
        control_pb2.APPLY_ACTION_UNCHANGED,
        control_pb2.APPLY_ACTION_CONFIGURED,
    ]
    assert again[1].generation > first[1].generation


async def test_what_is_only_checked_is_not_changed(shop: Shop) -> None:
    (checked,) = await apply(shop, plan("only-checked", "1"), validate_only=True)
    assert checked.action == control_pb2.APPLY_ACTION_CREATED
    refusal = await refused(get(shop, PLAN, "only-checked"))
    assert refusal.reason == "RESOURCE_NOT_FOUND"


async def test_a_resource_reads_back_with_its_defaults_and_its_status(shop: Shop) -> None:
    (resource,) = await get(shop, ACCOUNT, shop.account)
    assert resource.account.metadata.namespace == "default"
    assert resource.account.spec.payment_method == "none"
    assert resource.account.spec.billing.anchor_day == 1
    assert resource.account.status.uid
    assert resource.account.status.update_time.ToMicroseconds() == shop.clock.now_us


async def test_what_was_read_can_be_applied_as_it_is(shop: Shop) -> None:
    resources = await get(shop, ACCOUNT, shop.account) + await get(shop, PLAN, shop.plan)
    results = await apply(shop, *resources)
    assert {item.action for item in results} == {control_pb2.APPLY_ACTION_UNCHANGED}


async def test_a_missing_resource_is_named(shop: Shop) -> None:
    refusal = await refused(get(shop, ACCOUNT, shop.account, "nobody"))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    assert "default/nobody" in refusal.message


async def test_pages_list_everything_once(shop: Shop) -> None:
    await apply(shop, *(plan(f"page-{number}", "1") for number in range(5)))
    names: list[str] = []
    token = ""
    while True:
        request = control_pb2.ListRequest(kind=PLAN, page_size=2, page_token=token)
        page = await shop.connection.control.List(request)
        assert len(page.resources) <= 2
        names += [resource.plan.metadata.name for resource in page.resources]
        token = page.next_page_token
        if not token:
            break
    assert names == sorted(set(names))
    assert {f"page-{number}" for number in range(5)} <= set(names)


async def test_a_plan_that_accounts_use_is_not_deleted(shop: Shop) -> None:
    request = control_pb2.DeleteRequest(kind=PLAN, names=[shop.plan])
    refusal = await refused(shop.connection.control.Delete(request))
    assert refusal.reason == "RESOURCE_IN_USE"


async def test_a_deleted_account_routes_no_more(shop: Shop) -> None:
    request = control_pb2.DeleteRequest(kind=ACCOUNT, names=[shop.account])
    answer = await shop.connection.control.Delete(request)
    assert list(answer.deleted) == [f"default/{shop.account}"]
    assert (await refused(shop.route())).reason == "RESOURCE_NOT_FOUND"


async def test_a_keys_secret_is_shown_once_and_its_hash_listed(shop: Shop) -> None:
    secret = await shop.create_key("ci")
    request = control_pb2.ListKeysRequest(account=shop.account)
    (key,) = (await shop.connection.control.ListKeys(request)).keys
    assert (key.name, key.account) == ("ci", f"default/{shop.account}")
    assert key.state == control_pb2.API_KEY_STATE_ACTIVE
    assert key.key_hash not in secret
    assert len(key.key_hash) == 64
    assert not key.HasField("expire_time")


async def test_a_rotated_key_works_beside_its_successor_for_a_while(shop: Shop) -> None:
    old = await shop.create_key()
    request = control_pb2.RotateKeyRequest(account=shop.account, name="main", grace_seconds=60)
    new = (await shop.connection.control.RotateKey(request)).secret
    for secret in (old, new):
        assert (await shop.route(account="", api_key=secret)).hold_id
    shop.clock.advance(61)
    assert (await refused(shop.route(account="", api_key=old))).reason == "API_KEY_INVALID"
    assert (await shop.route(account="", api_key=new)).hold_id


async def test_a_revoked_key_is_refused_at_once(shop: Shop) -> None:
    secret = await shop.create_key()
    request = control_pb2.RevokeKeyRequest(account=shop.account, name="main")
    key = (await shop.connection.control.RevokeKey(request)).key
    assert key.state == control_pb2.API_KEY_STATE_REVOKED
    refusal = await refused(shop.route(account="", api_key=secret))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "API_KEY_INVALID",
    )


async def test_a_key_that_a_caller_already_has_is_restored_by_its_hash(shop: Shop) -> None:
    (resource,) = await get(shop, ACCOUNT, shop.account)
    secret = format_api_key(AccountUid(resource.account.status.uid), b"20 bytes of a backup")
    request = control_pb2.CreateKeyRequest(
        account=shop.account, name="restored", key_hash=hash_api_key(secret)
    )
    assert (await shop.connection.control.CreateKey(request)).secret == ""
    assert (await shop.route(account="", api_key=secret)).hold_id


async def test_a_key_is_not_made_twice(shop: Shop) -> None:
    await shop.create_key()
    refusal = await refused(shop.create_key())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "KEY_EXISTS")
