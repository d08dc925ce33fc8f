"""Where everything lies in the store: names of keys, hashes' fields and how shards are chosen.

This is the layout that `LAYOUT_VERSION` numbers. A change of a name or of a meaning here, or of a
record in `lua/lib/records.lua`, is a new layout and needs a new version.

Every key starts with `fx:{hh}:` where `hh` is the shard as two hexadecimal digits: the braces make
it the hash tag, so everything of a shard lies in one slot and one script may touch it.

=====================  ======  ===================================================================
key                    type    content
=====================  ======  ===================================================================
`meta`                 hash    identity of the shard's data, see `MetaField`
`catalog`              hash    the catalog, see `DocumentField`
`plan:<name>`          hash    a plan, see `DocumentField`
`names`                zset    `namespace/name NUL uid` of accounts, all of score 0; `SENTINEL`
`acct:<uid>`           hash    state and counters of an account, see `AccountField`
`acctdoc:<uid>`        string  the account's document
`holds:<uid>`          hash    request key -> live hold; `SENTINEL`
`due:<uid>`            zset    request key by the hold's expiry; `SENTINEL` at +inf
`due`                  zset    account uid by the earliest instant of something due; `SENTINEL`
`tomb:<bucket>`        hash    `<uid>/<request key>` -> ended attempts; `SENTINEL`
`ledger`               stream  what happened to money and documents, one field `e` an entry
`credentials`          hash    service credential by name, in shard 0 only; `SENTINEL`
`plans`                hash    every name a plan ever had, in shard 0 only
`wait`                 string  empty; written so that WAIT has a write to wait for
=====================  ======  ===================================================================

Instants are integers, µs since 1970 UTC; amounts are nano-USD; both in decimal.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zlib import crc32

from fluxrouter_server.domain.ids import AccountName, AccountUid, KeyHash, PlanName

LAYOUT_VERSION: Final = 1
"""Scripts refuse data of another layout."""

USUAL_LAYOUT: Final = str(LAYOUT_VERSION)
"""The layout record of a store with the default spans; others are named in it (`HoldTiming`)."""

SHARDS: Final = 256
"""Fixed for good: it decides in which shard an account lies. Two hexadecimal digits name them."""

SHARD_HASH: Final = "crc32"
"""Name of the function that chooses the shard, as kept in `MetaField.HASH`."""

SENTINEL: Final = "~"
"""Member of every collection that could become empty: a key that vanishes inside a script makes the
rest of the script fail while its slot moves. No uid, request key or name starts with it."""

FOREVER: Final = 2**53 - 1
"""An instant that never comes: end of the validity of a key without an expiry."""

_CALLS_REMEMBERED: Final = 20_000
"""Accounts whose key names are kept in the order of a call, as many as there are limits kept."""

_KEYS_REMEMBERED: Final = 65_536
"""Accounts whose key names are kept ready: about 40 MB at most, and formatting costs 2 µs."""


class MetaField(StrEnum):
    """Fields of `meta`; every script reads them."""

    LAYOUT = "layout"  # LAYOUT_VERSION, and the spans where they are not the usual ones
    SHARDS = "shards"  # SHARDS
    HASH = "hash"  # SHARD_HASH
    EPOCH = "epoch"  # integer from 1; the next life of the data has the next
    MARKER = "marker"  # random text; another one means other data
    CLOCK = "clock"  # "real" or "simulated"
    TAKEN = "taken"  # ms since 1970 until which the ledger has taken every entry of the shard
    COMPARED = "compared"  # in shard 0: the life of the store that was compared with the ledger
    BUCKET = "bucket"  # highest bucket of tombstones written, so that a clock set back hides none


class DocumentField(StrEnum):
    """Fields of `plan:<name>` and `catalog`."""

    GENERATION = "gen"  # `<counter>-<nonce>`
    DOCUMENT = "doc"  # empty where the document was deleted; the generation stays
    UPDATE_US = "update_us"
    PENDING = "pending"  # at home only: generation that not every shard is known to hold


class AccountField(StrEnum):
    """Fields of `acct:<uid>` with fixed names.

    Further fields: `key:<short hash>` the instant from which on a key's secret is no longer valid
    (0 revoked, `FOREVER` no end); and counters of period number `p` at level `l`, which is `a` (the
    account), `b/<budget>` or `k/<key>`: `s:<p>:<l>` settled, `h:<p>:<l>` held, `abs:<p>` absorbed,
    `inc:<p>` included credit used, `al:<p>` highest percentage alerted; and of hour `n` (unix
    seconds / 3600): `s:H<n>`, `h:H<n>`. A counter that is absent is zero. `adj:<id>` is an
    operator's adjustment, see `lua/adjust.lua`.
    """

    GENERATION = "gen"
    UPDATE_US = "update_us"
    FLAGS = "flags"  # sum of AccountFlag
    SEQUENCE = "seq"  # of the account's latest ledger entry
    PERIOD = "pid"  # number of the open period, from 1; absent before the first
    PERIOD_START = "pstart"
    PERIOD_END = "pend"
    CLOSED = "cl"  # periods up to this number are closed and their counters gone
    OLD_PERIODS = "old"  # msgpack of [number, start, end, …]: ended and not closed yet
    HOURS = "hours"  # msgpack of [hour, …] that have counters
    REQUEST_TAT = "tat_r"  # GCRA's theoretical arrival time of requests
    TOKEN_TAT = "tat_t"  # the same of tokens  # noqa: S105 - a field's name


class AccountFlag:
    """Bits of `AccountField.FLAGS`."""

    SUSPENDED: Final = 1
    DELETED: Final = 2


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The names of an account's keys and of those of its shard that scripts need with them."""

    shard: int
    meta: str
    account: str
    document: str
    holds: str
    hold_due: str
    shard_due: str
    ledger: str
    catalog: str
    plan_prefix: str
    tombstone_prefix: str

    def plan(self, name: PlanName) -> str:
        """The plan's key in the account's shard."""
        return self.plan_prefix + name

    def tombstones(self, bucket: int) -> str:
        """The key of a bucket of tombstones in the account's shard."""
        return f"{self.tombstone_prefix}{bucket}"


def shard_of(text: str) -> int:
    """Choose the shard of an account's uid, an account's name or a plan's name (its home shard).

    An account's uid is drawn until it falls into the shard of the account's name.
    """
    return crc32(text.encode()) % SHARDS


def prefix(shard: int) -> str:
    """What the names of a shard's keys start with, hash tag included."""
    return f"fx:{{{shard:02x}}}:"


@lru_cache(maxsize=_KEYS_REMEMBERED)
def account_keys(uid: AccountUid) -> AccountKeys:
    """Name the keys of an account."""
    shard = shard_of(uid)
    start = prefix(shard)
    return AccountKeys(
        shard=shard,
        meta=meta_key(shard),
        account=f"{start}acct:{uid}",
        document=f"{start}acctdoc:{uid}",
        holds=f"{start}holds:{uid}",
        hold_due=f"{start}due:{uid}",
        shard_due=shard_due_key(shard),
        ledger=ledger_key(shard),
        catalog=catalog_key(shard),
        plan_prefix=f"{start}plan:",
        tombstone_prefix=f"{start}tomb:",
    )


@lru_cache(maxsize=_CALLS_REMEMBERED)
def script_keys(uid: AccountUid, plan: PlanName | None, bucket: int) -> tuple[str, ...]:
    """Name the keys of a script on an account, in the order of `lua/lib/account.lua`.

    `plan` is the account's, for scripts that compare documents; `bucket` that of its tombstones.
    """
    keys = account_keys(uid)
    names = (
        *(keys.meta, keys.account, keys.holds, keys.hold_due, keys.shard_due, keys.ledger),
        *(keys.tombstones(bucket), keys.tombstones(bucket - 1)),
    )
    return names if plan is None else (*names, keys.document, keys.plan(plan), keys.catalog)


def meta_key(shard: int) -> str:
    """The shard's identity."""
    return f"{prefix(shard)}meta"


def catalog_key(shard: int) -> str:
    """The shard's copy of the catalog."""
    return f"{prefix(shard)}catalog"


def plan_key(shard: int, name: PlanName) -> str:
    """The shard's copy of a plan."""
    return f"{prefix(shard)}plan:{name}"


def names_key(shard: int) -> str:
    """The index of the shard's accounts, in the order of their names."""
    return f"{prefix(shard)}names"


def names_shard(name: AccountName) -> int:
    """The shard whose index has the account; its data lies in the same."""
    return shard_of(name)


def shard_due_key(shard: int) -> str:
    """The shard's accounts by the instant at which something of them is due."""
    return f"{prefix(shard)}due"


def ledger_key(shard: int) -> str:
    """The shard's ledger stream."""
    return f"{prefix(shard)}ledger"


def credentials_key() -> str:
    """The service credentials; they belong to no account and lie in shard 0."""
    return f"{prefix(0)}credentials"


def plans_key() -> str:
    """The names of all plans; they lie in shard 0."""
    return f"{prefix(0)}plans"


def wait_key(shard: int) -> str:
    """What is written before each WAIT for replicas; nobody reads it."""
    return f"{prefix(shard)}wait"


@lru_cache(maxsize=_KEYS_REMEMBERED)
def key_field(key_hash: KeyHash) -> str:
    """The field of `acct:<uid>` that tells until when a secret is valid.

    128 bits of the hash stand for it: enough that nobody finds another secret with the same, and 22
    characters instead of 64 keep an account small.
    """
    return "key:" + urlsafe_b64encode(bytes.fromhex(key_hash)[:16]).rstrip(b"=").decode()
