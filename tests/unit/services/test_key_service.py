from collections.abc import Iterable
from dataclasses import replace

import pytest

from fluxrouter_server.domain.accounts import KeyLimits, KeyRecord, KeyState
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountName, KeyName
from fluxrouter_server.domain.keys import hash_api_key, parse_api_key
from fluxrouter_server.services.key_changes import MAX_ENDED, MAX_WORKING
from fluxrouter_server.services.key_service import KeyService, KeyView, NewKey
from fluxrouter_server.services.key_validity import valid_until_us
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_testing.port_doubles import NOON_US, FixedClock, MemoryDocuments
from fluxrouter_testing.resources import sample_account
from fluxrouter_testing.use_cases import ACCOUNT, counting_random

SECOND_US = 1_000_000


class Keys:
    def __init__(self) -> None:
        self.documents = MemoryDocuments()
        self.clock = FixedClock()
        self.service = KeyService(
            accounts=self.documents, clock=self.clock, random=counting_random()
        )

    async def create(self, name: str = "ci", key_hash: str = "") -> NewKey:
        made = await self.service.create(ACCOUNT, name, key_hash=key_hash)
        assert isinstance(made, NewKey), made
        return made

    async def rotate(self, grace_seconds: int = 60) -> NewKey:
        made = await self.service.rotate(ACCOUNT, "ci", grace_seconds=grace_seconds)
        assert isinstance(made, NewKey), made
        return made

    async def revoke(self, name: str = "ci") -> KeyView:
        ended = await self.service.revoke(ACCOUNT, name)
        assert isinstance(ended, KeyView), ended
        return ended

    def write_secrets(self, secrets: Iterable[KeyRecord]) -> None:
        """As another replica would, between two steps of this one."""
        (record,) = self.documents.accounts.values()
        generation = self.documents.next_generation()
        self.documents.accounts[record.uid] = replace(
            record, secrets=tuple(secrets), generation=generation
        )

    async def states(self) -> list[tuple[str, KeyState]]:
        listed = await self.service.list_keys(ACCOUNT)
        assert not isinstance(listed, Denial)
        return [(key.record.name, key.record.state) for key in listed]


@pytest.fixture
async def keys() -> Keys:
    made = Keys()
    await made.documents.put_account(sample_account())
    return made


async def test_a_keys_text_names_its_account_and_is_kept_as_a_hash(keys: Keys) -> None:
    made = await keys.create()
    parsed = parse_api_key(made.secret)
    assert parsed is not None
    record = keys.documents.accounts[parsed.uid]
    assert [secret.hash for secret in record.secrets] == [hash_api_key(made.secret)]


async def test_a_new_keys_text_is_not_shown_by_accident(keys: Keys) -> None:
    made = await keys.create()
    assert made.secret not in repr(made)


async def test_a_key_is_not_created_twice(keys: Keys) -> None:
    await keys.create()
    again = await keys.service.create(ACCOUNT, "ci")
    assert isinstance(again, Denial)
    assert again.reason is Reason.KEY_EXISTS


async def test_a_revoked_key_may_be_created_again(keys: Keys) -> None:
    first = await keys.create()
    await keys.revoke()
    assert (await keys.create()).secret != first.secret


async def test_a_key_is_restored_by_its_hash(keys: Keys) -> None:
    restored = await keys.create(key_hash="AB" * 32)
    assert (restored.key.record.hash, restored.secret) == ("ab" * 32, "")


async def test_a_revoked_key_is_not_restored(keys: Keys) -> None:
    made = await keys.create()
    await keys.revoke()
    again = await keys.service.create(ACCOUNT, "other", key_hash=made.key.record.hash)
    assert isinstance(again, Denial)
    assert [violation.field for violation in again.violations] == ["key_hash"]


@pytest.mark.parametrize("key_hash", ["ab", "g" * 64, "é" * 64])
async def test_what_is_no_hash_is_refused(keys: Keys, key_hash: str) -> None:
    refused = await keys.service.create(ACCOUNT, "ci", key_hash=key_hash)
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["key_hash"]


async def test_what_is_no_name_is_refused(keys: Keys) -> None:
    refused = await keys.service.create(ACCOUNT, "CI!")
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["name"]


async def test_a_rotated_key_works_until_its_grace_ends(keys: Keys) -> None:
    first = await keys.create()
    await keys.rotate(grace_seconds=60)
    listed = await keys.service.list_keys(ACCOUNT)
    assert not isinstance(listed, Denial)
    old = next(key for key in listed if key.record.hash == first.key.record.hash)
    assert (old.record.state, old.expire_us) == (KeyState.ROTATED, NOON_US + 60 * SECOND_US)


async def test_few_secrets_of_a_key_work_at_the_same_time(keys: Keys) -> None:
    await keys.create()
    for _ in range(MAX_WORKING - 1):
        await keys.rotate(grace_seconds=60)
    refused = await keys.service.rotate(ACCOUNT, "ci", grace_seconds=60)
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["grace_seconds"]
    await keys.rotate(grace_seconds=0)


async def test_only_a_key_that_works_is_rotated(keys: Keys) -> None:
    await keys.create()
    await keys.revoke()
    refused = await keys.service.rotate(ACCOUNT, "ci", grace_seconds=0)
    assert isinstance(refused, Denial)
    assert refused.reason is Reason.RESOURCE_NOT_FOUND


@pytest.mark.parametrize("grace", [-1, 2_592_001])
async def test_a_grace_has_bounds(keys: Keys, grace: int) -> None:
    refused = await keys.service.rotate(ACCOUNT, "ci", grace_seconds=grace)
    assert isinstance(refused, Denial)
    assert [violation.field for violation in refused.violations] == ["grace_seconds"]


async def test_revoking_ends_a_key_with_its_predecessors_and_nothing_else(keys: Keys) -> None:
    await keys.create()
    await keys.create("other")
    await keys.rotate()
    await keys.revoke()
    assert await keys.states() == [
        ("ci", KeyState.REVOKED),
        ("ci", KeyState.REVOKED),
        ("other", KeyState.ACTIVE),
    ]


async def test_revoking_again_changes_nothing(keys: Keys) -> None:
    await keys.create()
    first = await keys.revoke()
    generation = next(iter(keys.documents.accounts.values())).generation
    assert await keys.revoke() == first
    assert next(iter(keys.documents.accounts.values())).generation == generation


async def test_a_rotation_does_not_undo_a_revocation_that_it_had_not_seen(keys: Keys) -> None:
    await keys.create()

    def revoke_meanwhile() -> None:
        (record,) = keys.documents.accounts.values()
        keys.write_secrets(replace(secret, state=KeyState.REVOKED) for secret in record.secrets)

    keys.documents.before_put_secrets = revoke_meanwhile
    refused = await keys.service.rotate(ACCOUNT, "ci", grace_seconds=60)
    assert isinstance(refused, Denial)
    assert await keys.states() == [("ci", KeyState.REVOKED)]


async def test_an_account_that_never_rests_is_unavailable(keys: Keys) -> None:
    def change_again() -> None:
        keys.write_secrets(())
        keys.documents.before_put_secrets = change_again

    keys.documents.before_put_secrets = change_again
    with pytest.raises(StoreUnavailable):
        await keys.service.create(ACCOUNT, "ci")


async def test_a_missing_account_has_no_keys(keys: Keys) -> None:
    refused = await keys.service.list_keys(AccountName("demo/none"))
    assert isinstance(refused, Denial)
    assert refused.reason is Reason.RESOURCE_NOT_FOUND


async def test_secrets_that_ended_long_ago_are_forgotten(keys: Keys) -> None:
    await keys.create()
    for _ in range(MAX_ENDED + 10):
        keys.clock.us += SECOND_US
        await keys.rotate(grace_seconds=0)
    states = await keys.states()
    assert len(states) == MAX_ENDED + 1
    assert states[-1] == ("ci", KeyState.ACTIVE)


async def test_a_key_ends_by_its_expiry_or_its_grace_whichever_is_first(keys: Keys) -> None:
    await keys.create()
    await keys.rotate(grace_seconds=60)
    listed = await keys.service.list_keys(ACCOUNT)
    assert not isinstance(listed, Denial)
    rotated = listed[0].record
    early = KeyLimits(KeyName("ci"), None, NOON_US + 1, None)
    late = KeyLimits(KeyName("ci"), None, NOON_US + 10**12, None)
    assert valid_until_us(rotated, early) == NOON_US + 1
    assert valid_until_us(rotated, late) == rotated.grace_end_us
