"""What a charge is paid from: the plan's included credit first, then metered use.

The store's scripts do the same arithmetic (docs/protocol.md §7). `included_used` is one counter per
account and period, whatever the plans in between; what a charge may use of it is decided by the
plan that is stamped on the hold.
"""

from dataclasses import dataclass

from fluxrouter_server.domain.plans import Overage


@dataclass(frozen=True, slots=True)
class Funding:
    """How a plan pays for what its holds are charged; stamped on each hold."""

    overage: Overage
    included_credit_nano_usd: int


@dataclass(frozen=True, slots=True)
class Split:
    """A charged amount by what pays for it; negative parts are given back."""

    included_nano_usd: int
    metered_nano_usd: int

    @property
    def billed_nano_usd(self) -> int:
        """The whole amount."""
        return self.included_nano_usd + self.metered_nano_usd


NOTHING = Split(0, 0)


def fund(amount_nano_usd: int, *, funding: Funding, included_used_nano_usd: int) -> Split:
    """Split a charge: what is left of the credit pays first.

    Under a plan without overage nothing is ever metered. Its credit may still be used up, by an
    upgrade between the hold and its settlement; the amount then counts as included all the same,
    because the request was promised to cost no money.
    """
    if funding.overage is Overage.NONE:
        return Split(amount_nano_usd, 0)
    available = max(0, funding.included_credit_nano_usd - included_used_nano_usd)
    included = min(amount_nano_usd, available)
    return Split(included, amount_nano_usd - included)


def correct(
    charged: Split, billed_nano_usd: int, *, funding: Funding, included_used_nano_usd: int
) -> Split:
    """Return what must be added to `charged` so that `billed_nano_usd` is billed in all.

    More is funded like a new charge. Less is given back, metered use first: what costs the account
    money goes before what its fee has paid for already.
    """
    change = billed_nano_usd - charged.billed_nano_usd
    if change >= 0:
        return fund(change, funding=funding, included_used_nano_usd=included_used_nano_usd)
    metered = min(-change, charged.metered_nano_usd)
    return Split(change + metered, -metered)
