"""Entries of a ledger as a store would write them, for tests that need no store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from fluxrouter_server.domain.hold_ids import HoldRef, format_hold_id
from fluxrouter_server.domain.ids import (
    AccountName,
    AccountUid,
    KeyName,
    LaneId,
    ModelId,
    PlanName,
    Principal,
    RequestId,
)
from fluxrouter_server.domain.ledger import ControlEntry, EntryKind, Funds, LedgerEntry
from fluxrouter_server.domain.pricing import Rates, Usage
from fluxrouter_server.store.keys import shard_of

__all__ = ["MONTH_END_US", "MONTH_START_US", "UID", "SampleAccount"]

UID: Final = AccountUid("abcdefghij234567")
MONTH_START_US: Final = 1_788_220_800_000_000
"""2026-09-01T00:00:00Z."""

MONTH_END_US: Final = 1_790_812_800_000_000
"""2026-10-01T00:00:00Z."""

_RATES: Final = Rates(10**9, 10**9 // 4, 10**9, 4 * 10**9)


@dataclass
class SampleAccount:
    """Writes one account's chain: sequence numbers without gaps, and what is settled after each."""

    uid: AccountUid = UID
    name: AccountName = AccountName("team/acme")
    settled_nano_usd: int = 0
    epoch: int = 1
    now_us: int = MONTH_START_US
    _seq: "count[int]" = field(default_factory=lambda: count(1))

    def document(self, **changes: Any) -> ControlEntry:  # noqa: ANN401 - a value of any field
        """The account's document was written."""
        seq = next(self._seq)
        values: dict[str, Any] = {
            "shard": shard_of(self.uid),
            "epoch": self.epoch,
            "stream_id": f"{self.now_us // 1000}-{seq}",
            "time_us": self.now_us,
            "document": "account",
            "name": self.name,
            "generation": f"{seq}-0badcafe",
            "body": b"document",
            "uid": self.uid,
            "seq": seq,
            "flags": 0,
        }
        return ControlEntry(**(values | changes))

    def settlement(
        self,
        billed_nano_usd: int = 5_000_000,
        *,
        labels: Mapping[str, str] | None = None,
        absorbed_nano_usd: int = 0,
        **changes: Any,  # noqa: ANN401 - a value of any field
    ) -> LedgerEntry:
        """A request was charged; every second of the month one, unless the time is given."""
        seq = next(self._seq)
        self.now_us = changes.pop("time_us", self.now_us + 1_000_000)
        self.settled_nano_usd += billed_nano_usd
        hold = HoldRef(
            shard_of(self.uid), self.epoch, self.now_us // 1000, self.uid, f"{seq:016}", 1
        )
        values: dict[str, Any] = {
            "uid": self.uid,
            "epoch": self.epoch,
            "seq": seq,
            "shard": shard_of(self.uid),
            "kind": EntryKind.SETTLEMENT,
            "time_us": self.now_us,
            "period": 1,
            "period_start_us": MONTH_START_US,
            "period_end_us": MONTH_END_US,
            "hour": self.now_us // 3_600_000_000,
            "hold_id": format_hold_id(hold),
            "request_id": RequestId(f"request-{seq}"),
            "attempt": 1,
            "n": 0,
            "state": "settled",
            "principal": Principal("service/edge"),
            "key": KeyName("main"),
            "labels": labels or {},
            "model_asked": "flux-auto",
            "model": ModelId("fast-1"),
            "lane": LaneId("express"),
            "tier": "fast",
            "upstream": "provider",
            "upstream_model": "fast-1-latest",
            "rates": _RATES,
            "usage": Usage(1_000, 0, 0, 1_000, 100),
            "has_usage": True,
            "catalog_generation": "1-0badcafe",
            "plan": PlanName("free"),
            "plan_generation": "2-0badcafe",
            "funds": Funds(
                cost_nano_usd=billed_nano_usd + absorbed_nano_usd,
                billed_nano_usd=billed_nano_usd,
                absorbed_nano_usd=absorbed_nano_usd,
                included_nano_usd=billed_nano_usd,
            ),
            "freed_nano_usd": 5_250_000,
            "settled_after_nano_usd": self.settled_nano_usd,
            "levels": ("a", "H", "k/main"),
            "percent": 0,
            "reason": "",
        }
        return LedgerEntry(**(values | changes))
