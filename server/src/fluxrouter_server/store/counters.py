"""Reads the counters of accounts as they are kept, to compare them with the ledger."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.services.ports.ledger import AccountCounters, DerivedCounters, Drift
from fluxrouter_server.store.keys import SENTINEL, SHARDS, AccountField, account_keys, names_key
from fluxrouter_server.store.packed_limits import level_name
from fluxrouter_server.store.replies import Reply
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.shard_calls import as_bytes, as_list

__all__ = ["ValkeyCounterStore", "counter_fields", "mended_fields"]

_READ_SECONDS: Final = 5.0
_ACCOUNTS_AT_ONCE: Final = 200
_COUNTED: Final = ("s:", "abs:", "inc:", "al:")
_HOUR: Final = "s:H"


class ValkeyCounterStore:
    """Implements `CounterStore`: one command an account, so that its numbers are of one instant.

    Args:
        client: Connected to the store.
    """

    def __init__(self, client: StoreRunner) -> None:
        self._client = client

    async def read_all(self) -> AsyncIterator[Sequence[AccountCounters]]:
        """Read the counters of every account, shard by shard.

        Raises:
            StoreUnavailable: No answer.
        """
        for shard in range(SHARDS):
            reply = await self._client.execute(
                "ZRANGE", names_key(shard), 0, -1, timeout_seconds=_READ_SECONDS
            )
            names = [as_bytes(item).decode() for item in as_list(reply)]
            pairs = [tuple(item.split("\0")) for item in names if item != SENTINEL]
            for first in range(0, len(pairs), _ACCOUNTS_AT_ONCE):
                some = pairs[first : first + _ACCOUNTS_AT_ONCE]
                yield [await self.read(AccountUid(uid), AccountName(name)) for name, uid in some]

    async def read(self, uid: AccountUid, name: AccountName) -> AccountCounters:
        """Read the counters of one account.

        Raises:
            StoreUnavailable: No answer.
        """
        reply = await self._client.execute(
            "HGETALL", account_keys(uid).account, timeout_seconds=_READ_SECONDS
        )
        numbers = _numbers(as_list(reply))
        values = {name: value for name, value in numbers.items() if name.startswith(_COUNTED)}
        return AccountCounters(
            uid=uid,
            name=name,
            seq=numbers.get(AccountField.SEQUENCE, 0),
            closed_period=numbers.get(AccountField.CLOSED, 0),
            first_hour=min(
                (int(name.removeprefix(_HOUR)) for name in values if name.startswith(_HOUR)),
                default=None,
            ),
            values=values,
        )

    def differences(self, found: AccountCounters, derived: DerivedCounters) -> Sequence[Drift]:
        """Compare an account's counters with what its entries add up to."""
        mended = mended_fields(found, derived)
        starts = {str(period.number): period.start_us for period in derived.periods}
        drifts = []
        if derived.entries != found.seq:
            drifts.append(Drift(found.name, "chain", None, found.seq, derived.entries))
        for name in sorted(mended):
            what, number = _describe(name)
            here = found.values.get(name, 0)
            drifts.append(Drift(found.name, what, starts.get(number), here, mended[name]))
        return drifts


def mended_fields(found: AccountCounters, derived: DerivedCounters) -> dict[str, int]:
    """The fields of the account's hash that are not what its entries add up to, as they should be.

    The store drops hours that nothing can touch any more; the ledger has them for ever.
    """
    expected = counter_fields(derived)
    names = expected.keys() | found.values.keys()
    return {
        name: expected.get(name, 0)
        for name in names
        if found.values.get(name, 0) != expected.get(name, 0)
        and not (name.startswith(_HOUR) and name not in found.values)
    }


def counter_fields(derived: DerivedCounters) -> dict[str, int]:
    """The fields of the account's hash (see `AccountField`) that its entries add up to."""
    fields = {f"{_HOUR}{hour}": settled for hour, settled in derived.hours.items()}
    for period in derived.periods:
        number = period.number
        fields |= {f"s:{number}:{level}": sum_ for level, sum_ in period.settled.items()}
        fields[f"abs:{number}"] = period.absorbed_nano_usd
        fields[f"inc:{number}"] = period.included_nano_usd
        fields[f"al:{number}"] = period.alerted_percent
    return fields


def _describe(name: str) -> tuple[str, str]:
    """What a field is for people, and the number of its period, empty for an hour."""
    kind, number, *level = name.split(":", 2)
    if level:
        return f"settled {level_name(level[0].encode())}", number
    if kind == "s":
        return f"settled hour {number.removeprefix('H')}", ""
    return {"abs": "absorbed", "inc": "included", "al": "alerted"}[kind], number


def _numbers(flat: list[Reply]) -> dict[str, int]:
    """The fields that are integers; documents' generations and packed lists are not."""
    pairs = zip(map(as_bytes, flat[::2]), map(as_bytes, flat[1::2]), strict=True)
    return {
        field.decode(errors="replace"): int(value)
        for field, value in pairs
        if value.isdigit() or (value[:1] == b"-" and value[1:].isdigit())
    }
