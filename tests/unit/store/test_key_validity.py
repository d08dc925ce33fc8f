from dataclasses import replace

import pytest

from fluxrouter_server.domain.accounts import KeyLimits, KeyRecord, KeyState
from fluxrouter_server.domain.ids import KeyHash, KeyName
from fluxrouter_server.store.key_validity import key_fields
from fluxrouter_server.store.keys import FOREVER, key_field
from fluxrouter_testing.resources import sample_account

NAME = KeyName("ci")
HASH = KeyHash("ab" * 32)


@pytest.mark.parametrize(
    "state, grace_end_us, expire_us, end_us",
    [
        (KeyState.ACTIVE, None, None, FOREVER),
        (KeyState.ACTIVE, None, 500, 500),
        (KeyState.ROTATED, 300, None, 300),
        (KeyState.ROTATED, 300, 500, 300),
        (KeyState.ROTATED, 700, 500, 500),
        (KeyState.ROTATED, None, None, 0),
        (KeyState.REVOKED, None, None, 0),
        (KeyState.REVOKED, 700, 500, 0),
    ],
)
def test_a_secret_ends_with_its_key_its_grace_or_its_revocation_whichever_comes_first(
    state: KeyState, grace_end_us: int | None, expire_us: int | None, end_us: int
) -> None:
    limits = KeyLimits(NAME, cap_nano_usd=None, expire_us=expire_us, allowed_models=None)
    account = replace(sample_account(), keys=(limits,))
    secret = KeyRecord(NAME, HASH, state, create_us=1, grace_end_us=grace_end_us)
    assert key_fields(account, [secret]) == {key_field(HASH): end_us}


def test_the_expiry_of_one_key_says_nothing_about_another() -> None:
    limits = KeyLimits(KeyName("other"), cap_nano_usd=None, expire_us=5, allowed_models=None)
    account = replace(sample_account(), keys=(limits,))
    secret = KeyRecord(NAME, HASH, KeyState.ACTIVE, create_us=1, grace_end_us=None)
    assert key_fields(account, [secret]) == {key_field(HASH): FOREVER}
