"""Secrets of API keys and service credentials, and the uids of accounts.

An API key reads `fr-<account uid>-<secret>-<checksum>`: any replica knows from the text alone
which shard to ask, and a truncated or mistyped key is told from a revoked one without asking. A
service credential reads `fs-<name>-<secret>-<checksum>`. The secrets are 160 random bits, so a
plain SHA-256 is all that has to be kept of a text: there is no dictionary to try. Randomness is an
argument.
"""

import re
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from zlib import crc32

from fluxrouter_server.domain.ids import AccountName, AccountUid, KeyHash

#: Random bytes that a secret is made of.
SECRET_BYTES = 20
#: Shards that accounts are spread over; docs/protocol.md §1 fixes the number with the data.
SHARDS = 256

_UID_BYTES = 10
# One draw in 256 hits the shard. With so many, missing it is less likely (10^-17) than a broken
# source of randomness, which must not spin for ever.
_MOST_DRAWS = 10_000
_BASE_32 = "[a-z2-7]"
_API_KEY = re.compile(rf"(fr-({_BASE_32}{{16}})-{_BASE_32}{{32}})-({_BASE_32}{{7}})")
_SERVICE_SECRET = re.compile(rf"(fs-([a-z0-9.-]{{1,63}})-{_BASE_32}{{32}})-({_BASE_32}{{7}})")


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """What an API key's text says: whose it is, and the hash it is known by; not the secret."""

    uid: AccountUid
    hash: KeyHash


@dataclass(frozen=True, slots=True)
class ParsedServiceSecret:
    """What a service credential's text says: its name and the hash it is known by."""

    name: str
    hash: str


def format_api_key(uid: AccountUid, random: bytes) -> str:
    """Return the text of a new API key from 20 random bytes.

    Raises:
        ValueError: it is another number of bytes.
    """
    return _with_checksum(f"fr-{uid}-{_secret(random)}")


def parse_api_key(text: str) -> ParsedKey | None:
    """Read an API key; None where the text is none or its checksum is wrong."""
    match = _API_KEY.fullmatch(text)
    if match is None or _checksum(match[1]) != match[3]:
        return None
    return ParsedKey(AccountUid(match[2]), hash_api_key(text))


def hash_api_key(text: str) -> KeyHash:
    """Return the SHA-256 that is kept of an API key, 64 hexadecimal digits."""
    return KeyHash(_hash(text))


def format_service_secret(name: str, random: bytes) -> str:
    """Return the text of a new service credential from 20 random bytes.

    Raises:
        ValueError: it is another number of bytes.
    """
    return _with_checksum(f"fs-{name}-{_secret(random)}")


def parse_service_secret(text: str) -> ParsedServiceSecret | None:
    """Read a service credential; None where the text is none or its checksum is wrong."""
    match = _SERVICE_SECRET.fullmatch(text)
    if match is None or _checksum(match[1]) != match[3]:
        return None
    return ParsedServiceSecret(match[2], _hash(text))


def shard_of(text: str) -> int:
    """Return the shard of an account's uid, or of a name, from 0 to 255: CRC-32 modulo 256."""
    return crc32(text.encode()) % SHARDS


def draw_uid(name: AccountName, random: Callable[[int], bytes]) -> AccountUid:
    """Draw a uid that lies in the shard of the account's name.

    Name and data in one shard make the creation of an account one atomic step. `random` returns so
    many random bytes, and is asked some 256 times.

    Raises:
        ValueError: the source returns no such uid, so it is not random.
    """
    shard = shard_of(name)
    for _ in range(_MOST_DRAWS):
        uid = _base_32(random(_UID_BYTES))
        if shard_of(uid) == shard:
            return AccountUid(uid)
    raise ValueError(f"{_MOST_DRAWS} draws gave no uid in shard {shard}: the source is not random")


def _secret(random: bytes) -> str:
    if len(random) != SECRET_BYTES:
        raise ValueError(f"a secret is made of {SECRET_BYTES} random bytes, not {len(random)}")
    return _base_32(random)


def _with_checksum(body: str) -> str:
    return f"{body}-{_checksum(body)}"


def _checksum(body: str) -> str:
    return _base_32(crc32(body.encode()).to_bytes(4, "big"))


def _base_32(data: bytes) -> str:
    return b32encode(data).decode("ascii").rstrip("=").lower()


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
