"""The invariants of docs/protocol.md §11, read off the store's own state after a step."""

from dataclasses import dataclass, field
from typing import Any

from fluxrouter_server.store.hold_records import unpack
from fluxrouter_server.store.keys import account_keys, ledger_key
from fluxrouter_testing.hold_model import EXACT, HoldModel
from fluxrouter_testing.hold_model_choice import caps_of
from fluxrouter_testing.store_world import StoreWorld

__all__ = ["HoldInvariants"]

_HELD, _PERIOD, _HOUR, _LEVELS, _EXPIRE = 6, 8, 11, 12, 5


@dataclass
class _Holds:
    """What the ledger has said of a hold: entries by number, and the sum of what was billed."""

    kinds: list[str] = field(default_factory=list)
    billed: int = 0


class HoldInvariants:
    """Watches one world from its beginning. Each check asserts."""

    def __init__(self, world: StoreWorld, model: HoldModel) -> None:
        """Takes the world as it is now for its beginning."""
        self._world = world
        self._model = model
        self._fields = world.fields()
        self._last_id = "-"
        self._sequence = 0
        self._billed: dict[str, int] = {}  # settled counter by name, as the ledger adds it up
        self._holds: dict[tuple[Any, ...], _Holds] = {}

    def check(self) -> None:
        """Compares with the last check, and all counters with the model's."""
        before, self._fields = self._fields, self._world.fields()
        self._check_reset(before)
        self._check_cap(before)
        self._check_ledger()
        self._check_no_leak()
        self._check_model()

    def check_nothing_is_overdue(self) -> None:
        """NO LEAK: asserts that no live hold is past its expiry, as after a sweep."""
        assert [hold for hold in self._live() if hold[_EXPIRE] <= self._world.now_us] == []

    def _check_cap(self, before: dict[str, str]) -> None:
        """CAP: no step raises settled + held of a level above the cap in force at that step."""
        caps = caps_of(self._world.limits)
        for level, name in self._levels():
            used = self._number(f"s:{name}") + self._number(f"h:{name}")
            earlier = int(before.get(f"s:{name}", "0")) + int(before.get(f"h:{name}", "0"))
            assert used <= max(earlier, caps.get(level, EXACT)), (level, earlier, used, caps)
            assert self._number(f"s:{name}") >= 0
            assert self._number(f"h:{name}") >= 0

    def _check_reset(self, before: dict[str, str]) -> None:
        """RESET: the open period's bounds are data, and the store's clock alone ends it."""
        fields, now_us = self._fields, self._world.now_us
        if fields.get("pid") == before.get("pid"):
            assert (fields.get("pstart"), fields.get("pend")) == (
                before.get("pstart"),
                before.get("pend"),
            )
            return
        end_us = int(before.get("pend", "0"))
        assert int(fields["pid"]) == int(before.get("pid", "0")) + 1
        assert end_us <= int(fields["pstart"]) <= now_us < int(fields["pend"])

    def _check_ledger(self) -> None:
        """LEDGER: entries are an unbroken chain whose billed sum is the counter; and ONCE."""
        stream = self._world.read("XRANGE", ledger_key(self._world.shard), self._last_id, "+")
        for stream_id, (_, blob) in stream:
            self._last_id = f"({stream_id.decode()}"
            entry = {key.decode(): value for key, value in unpack(blob).items()}
            if entry.get("u") == self._world.uid.encode():
                self._take(entry)
        assert self._sequence == self._number("seq")
        for _, name in self._levels():
            if not name.startswith("H"):
                assert self._billed.get(name, 0) == self._number(f"s:{name}"), name

    def _take(self, entry: dict[str, Any]) -> None:
        self._sequence += 1
        assert entry["q"] == self._sequence
        if entry["k"] in (b"control", b"alert"):
            return
        period = entry["p"]
        for level in [b"a"] if entry["k"] == b"period-close" else unpack(entry["lv"])[::2]:
            name = f"{period}:{level.decode()}"
            self._billed[name] = self._billed.get(name, 0) + entry["b"]
        if "sa" in entry:
            assert entry["sa"] == self._billed[f"{period}:a"]
        if "rk" in entry:
            self._take_hold(entry)

    def _take_hold(self, entry: dict[str, Any]) -> None:
        """ONCE and NO LEAK: a hold ends once, may be corrected once, and is charged once."""
        known = self._holds.setdefault((entry["rk"], entry["a"], entry["ad"]), _Holds())
        assert entry["n"] == len(known.kinds)
        known.kinds.append(entry["k"].decode())
        known.billed += entry["b"] - entry["cr"]
        assert known.billed >= 0
        assert known.kinds in (
            ["settlement"],
            ["release"],
            ["expiry"],
            ["release", "correction"],
            ["expiry", "correction"],
        )

    def _check_no_leak(self) -> None:
        """NO LEAK: what is held on a level is what its live holds hold."""
        held: dict[str, int] = {}
        for hold in self._live():
            for level in unpack(hold[_LEVELS])[::2]:
                name = f"H{hold[_HOUR]}" if level == b"H" else f"{hold[_PERIOD]}:{level.decode()}"
                held[name] = held.get(name, 0) + hold[_HELD]
        counted = {name: self._number(f"h:{name}") for _, name in self._levels()}
        assert {name: amount for name, amount in counted.items() if amount} == held

    def _check_model(self) -> None:
        ours = {
            name: int(value)
            for name, value in self._fields.items()
            if name.startswith(("s:", "h:", "inc:", "abs:")) and value != "0"
        }
        assert ours == {name: value for name, value in self._model.number.items() if value}
        assert self._number("pid") == self._model.open_number
        assert self._number("cl") == self._model.closed

    def _live(self) -> list[list[Any]]:
        flat = self._world.read("HGETALL", account_keys(self._world.uid).holds)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return [unpack(blob) for key, blob in pairs if key != b"~"]

    def _levels(self) -> list[tuple[str, str]]:
        """Each level that has counters, with what their names end in."""
        names = {name[2:] for name in self._fields if name.startswith(("s:", "h:"))}
        return [("H" if name.startswith("H") else name.partition(":")[2], name) for name in names]

    def _number(self, name: str) -> int:
        return int(self._fields.get(name, "0"))
