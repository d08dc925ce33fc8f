"""Changes of documents for the stateful test: what may happen to an account while it is used."""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from hypothesis import strategies as st

from fluxrouter_server.domain.accounts import Budget, KeyRecord, KeyState
from fluxrouter_server.domain.ids import KeyHash, KeyName, PlanName
from fluxrouter_server.domain.plans import HoldRules, OnExpiry, Overage
from fluxrouter_testing.hold_documents import DOLLAR, SECOND_US, free_plan
from fluxrouter_testing.store_world import StoreWorld

__all__ = ["KEYS", "KEY_NAME", "Change", "KeyChanged", "PlanEdited", "changes", "plan_edits"]

KEYS: Final = (KeyHash("ab" * 32), KeyHash("cd" * 32))
"""The key's secrets: the first one, and the one that a rotation brings."""

KEY_NAME: Final = KeyName("laptop")
_GRACE_US: Final = 300 * SECOND_US


@dataclass(frozen=True)
class PlanEdited:
    """`credit` None is a plan without overage, all of whose cap is included."""

    name: str
    cap: int
    hourly: int | None
    on_expiry: OnExpiry
    credit: int | None

    def apply(self, world: StoreWorld) -> None:
        """Creates or replaces the plan."""
        plan = free_plan(
            name=PlanName(self.name),
            cap_nano_usd=None,
            ceiling_nano_usd=self.cap,
            included_credit_nano_usd=self.cap if self.credit is None else self.credit,
            overage=Overage.NONE if self.credit is None else Overage.METERED,
            hourly_cap_nano_usd=self.hourly,
            holds=HoldRules(on_expiry=self.on_expiry),
        )
        world.put_plan(plan)


@dataclass(frozen=True)
class PlanChosen:
    """An upgrade or downgrade."""

    name: str

    def apply(self, world: StoreWorld) -> None:
        """Gives the account another plan, if there is one of that name."""
        if PlanName(self.name) in world.plans:
            world.put_account(plan=PlanName(self.name))


@dataclass(frozen=True)
class Moved:
    """Another anchor day and time zone."""

    day: int
    zone: str

    def apply(self, world: StoreWorld) -> None:
        """Changes both."""
        world.put_account(anchor_day=self.day, time_zone=self.zone)


@dataclass(frozen=True)
class BudgetSet:
    """A budget is born or changed, or with None dies."""

    cap: int | None

    def apply(self, world: StoreWorld) -> None:
        """Replaces the account's budgets."""
        budgets = () if self.cap is None else (Budget("search", {"team": "search"}, self.cap),)
        world.put_account(budgets=budgets)


@dataclass(frozen=True)
class Suspended:
    """Admission stops, or goes on."""

    suspended: bool

    def apply(self, world: StoreWorld) -> None:
        """Sets the flag."""
        world.put_account(suspended=self.suspended)


@dataclass(frozen=True)
class KeyChanged:
    """The key is made anew, rotated with a grace, or revoked with all its secrets."""

    state: KeyState

    def apply(self, world: StoreWorld) -> None:
        """Replaces the account's secrets."""
        first, second = (KeyRecord(KEY_NAME, key, KeyState.ACTIVE, 0, None) for key in KEYS)
        grace_end_us = world.now_us + _GRACE_US
        secrets = {
            KeyState.ACTIVE: [first],
            KeyState.ROTATED: [replace(first, state=self.state, grace_end_us=grace_end_us), second],
            KeyState.REVOKED: [
                replace(first, state=self.state),
                replace(second, state=self.state),
            ],
        }
        world.put_secrets(*secrets[self.state])


@dataclass(frozen=True)
class Deleted:
    """The account is deleted; one that is, is made again."""

    def apply(self, world: StoreWorld) -> None:
        """Deletes or revives."""
        if world.account.deleted:
            world.put_account(suspended=False)
        else:
            world.delete_account()


Change: TypeAlias = PlanEdited | PlanChosen | Moved | BudgetSet | Suspended | KeyChanged | Deleted

_names = st.sampled_from(["free", "free", "payg"])

plan_edits: Final = st.builds(
    PlanEdited,
    name=_names,
    # A request needs some five million at most: a few of them, one, or next to none.
    cap=st.sampled_from([12_000_000, 12_000_000, 25_000_000, 4_000_000, 0, DOLLAR]),
    hourly=st.sampled_from([None, None, None, 8_000_000]),
    on_expiry=st.sampled_from(OnExpiry),
    credit=st.sampled_from([None, 0, 3_000_000]),
)
changes: Final[st.SearchStrategy[Change]] = st.one_of(
    plan_edits,
    st.builds(PlanChosen, name=_names),
    st.builds(Moved, day=st.sampled_from([1, 15, 31]), zone=st.sampled_from(["UTC", "Asia/Tokyo"])),
    st.builds(BudgetSet, cap=st.sampled_from([None, 0, 5_000_000, DOLLAR])),
    st.builds(Suspended, suspended=st.sampled_from([False, False, False, True])),
    st.builds(KeyChanged, state=st.sampled_from([*KeyState, KeyState.ACTIVE])),
    st.builds(Deleted),
)
