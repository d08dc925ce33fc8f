import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.keys import (
    SECRET_BYTES,
    ParsedKey,
    ParsedServiceSecret,
    draw_uid,
    format_api_key,
    format_service_secret,
    hash_api_key,
    parse_api_key,
    parse_service_secret,
    shard_of,
)

UID = AccountUid("abcdefghijklmn27")
SECRET = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
KEY = format_api_key(UID, bytes(range(SECRET_BYTES)))
CHARACTERS = st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-ABZ ")


@given(SECRET)
def test_an_api_key_tells_its_account_and_the_hash_of_its_whole_text(secret: bytes) -> None:
    text = format_api_key(UID, secret)
    assert parse_api_key(text) == ParsedKey(UID, hash_api_key(text))
    assert hash_api_key(text) == sha256(text.encode()).hexdigest()


@given(st.integers(0, len(KEY) - 1), CHARACTERS)
def test_one_wrong_character_is_noticed(place: int, character: str) -> None:
    mistyped = KEY[:place] + character + KEY[place + 1 :]
    assert (parse_api_key(mistyped) is None) == (mistyped != KEY)


@given(st.integers(0, len(KEY) - 1))
def test_a_missing_or_doubled_character_is_noticed(place: int) -> None:
    assert parse_api_key(KEY[:place] + KEY[place + 1 :]) is None
    assert parse_api_key(KEY[:place] + KEY[place] + KEY[place:]) is None


@pytest.mark.parametrize("text", ["", "fr-", KEY + "\n", KEY.upper(), "ü" * 65, "fr-" * 10**6])
def test_what_is_no_api_key_is_told_apart(text: str) -> None:
    assert parse_api_key(text) is None


@pytest.mark.parametrize("size", [0, 16, 19, 21])
def test_a_secret_of_another_size_is_never_made(size: int) -> None:
    with pytest.raises(ValueError, match="20 random bytes"):
        format_api_key(UID, bytes(size))


def test_what_is_read_from_a_key_does_not_show_its_secret() -> None:
    secret = KEY.split("-")[2]
    assert secret not in repr(parse_api_key(KEY))


@given(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True), SECRET)
def test_a_service_secret_tells_its_name(name: str, secret: bytes) -> None:
    text = format_service_secret(name, secret)
    parsed = parse_service_secret(text)
    assert parsed == ParsedServiceSecret(name, sha256(text.encode()).hexdigest())
    assert parse_service_secret(text[:-1]) is None
    assert parse_api_key(text) is None


def test_a_shard_is_the_crc_32_of_the_text_modulo_256() -> None:
    assert shard_of("123456789") == 0xCBF43926 % 256  # the check value of CRC-32
    assert shard_of("") == 0


@given(st.from_regex(r"[a-z]{1,9}/[a-z]{1,9}", fullmatch=True).map(AccountName), st.integers())
def test_a_uid_lies_in_the_shard_of_the_accounts_name(name: AccountName, seed: int) -> None:
    uid = draw_uid(name, random.Random(seed).randbytes)
    assert shard_of(uid) == shard_of(name)
    assert len(uid) == 16
    assert set(uid) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_a_source_that_is_not_random_does_not_spin_for_ever() -> None:
    with pytest.raises(ValueError, match="not random"):
        draw_uid(AccountName("default/demo"), bytes)
