from collections.abc import Sequence

import pytest

from fluxrouter_server.domain.accounts import KeyRecord, KeyState
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountName, AccountUid, KeyName, Principal
from fluxrouter_server.domain.keys import format_api_key, hash_api_key
from fluxrouter_server.services.callers import (
    OWN_ACCOUNT,
    AccountRef,
    Caller,
    KeyIdentity,
    Scope,
)
from fluxrouter_server.services.payers import Payer, Payers
from fluxrouter_testing.port_doubles import NOON_US
from fluxrouter_testing.resources import sample_account
from fluxrouter_testing.use_cases import ACCOUNT, BY_NAME, UseCases

OTHER = AccountName("demo/other")


def service(*scopes: Scope) -> Caller:
    return Caller(Principal("service/gateway"), frozenset(scopes))


async def uid_of(world: UseCases, name: AccountName) -> AccountUid:
    view = await world.documents.get_account(name)
    assert view is not None
    return view.record.uid


async def give_key(world: UseCases) -> tuple[str, KeyIdentity]:
    view = await world.documents.get_account(ACCOUNT)
    assert view is not None
    text = format_api_key(view.record.uid, b"s" * 20)
    secret = KeyRecord(KeyName("ci"), hash_api_key(text), KeyState.ACTIVE, NOON_US, None)
    await world.documents.put_secrets(
        view.record.uid, expected=view.record.generation, secrets=(secret,)
    )
    return text, KeyIdentity(view.record.uid, secret.hash, secret.name)


async def reason(
    world: UseCases, account: AccountRef, caller: Caller, scopes: Sequence[Scope] = (Scope.ROUTE,)
) -> Reason | None:
    payer = await Payers(world.cache).find(account, caller, *scopes)
    return payer.reason if isinstance(payer, Denial) else None


async def test_a_service_acts_for_any_account_by_name(world: UseCases) -> None:
    payer = await Payers(world.cache).find(BY_NAME, service(Scope.ROUTE), Scope.ROUTE)
    assert payer == Payer(await uid_of(world, ACCOUNT))


async def test_a_service_acts_for_the_account_of_a_key(world: UseCases) -> None:
    text, key = await give_key(world)
    payer = await Payers(world.cache).find(
        AccountRef(api_key=text), service(Scope.ROUTE), Scope.ROUTE
    )
    assert payer == Payer(key.uid, key)


async def test_a_key_that_was_found_already_is_not_read_again(world: UseCases) -> None:
    text, key = await give_key(world)
    found = AccountRef(api_key=text, key=key)
    payers = Payers(world.cache)
    assert payers.remembered(found, service(Scope.ROUTE), Scope.ROUTE) == Payer(key.uid, key)
    assert payers.remembered(found, service(Scope.READ), Scope.ROUTE) is None
    assert await payers.find(found, service(Scope.ROUTE), Scope.ROUTE) == Payer(key.uid, key)


async def test_any_of_several_scopes_suffices(world: UseCases) -> None:
    scopes = (Scope.ROUTE, Scope.READ)
    assert await reason(world, BY_NAME, service(Scope.READ), scopes) is None


async def test_a_service_without_the_scope_is_refused(world: UseCases) -> None:
    assert await reason(world, BY_NAME, service(Scope.READ)) is Reason.SCOPE_MISSING


@pytest.mark.parametrize("account", [OWN_ACCOUNT, AccountRef(name=ACCOUNT, api_key="fr-x")])
async def test_a_service_must_name_one_account(world: UseCases, account: AccountRef) -> None:
    assert await reason(world, account, service(Scope.ROUTE)) is Reason.INVALID_REQUEST


async def test_a_malformed_key_is_refused(world: UseCases) -> None:
    ref = AccountRef(api_key="fr-nonsense")
    assert await reason(world, ref, service(Scope.ROUTE)) is Reason.API_KEY_INVALID


async def test_a_key_acts_for_its_account_however_that_is_named(world: UseCases) -> None:
    text, key = await give_key(world)
    caller = Caller(Principal("key/x/ci"), frozenset(), key)
    for ref in (OWN_ACCOUNT, BY_NAME, AccountRef(api_key=text)):
        assert await Payers(world.cache).find(ref, caller, Scope.ROUTE) == Payer(key.uid, key)


@pytest.mark.parametrize(
    "account",
    [AccountRef(name=OTHER), AccountRef(api_key="fr-x"), AccountRef(name=AccountName("demo/none"))],
)
async def test_a_key_learns_nothing_of_other_accounts(world: UseCases, account: AccountRef) -> None:
    await world.documents.put_account(sample_account(OTHER))
    _, key = await give_key(world)
    caller = Caller(Principal("key/x/ci"), frozenset(), key)
    assert await reason(world, account, caller) is Reason.SCOPE_MISSING


def test_a_keys_text_is_not_shown() -> None:
    assert "secret" not in repr(AccountRef(api_key="secret"))
