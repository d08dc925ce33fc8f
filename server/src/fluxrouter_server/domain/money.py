"""Amounts of money: integers of nano-USD inside, decimal strings in specs, never a float.

10^-9 USD is fine enough for the price of a single token and coarse enough for one integer to hold
the largest cap: the store's scripts compute in doubles, which are exact up to 2^53.
"""

import re

#: Nano-USD in one US dollar.
NANO_PER_USD = 10**9
#: The largest amount: 9,007,199.254740992 USD. Every sum and counter stays exact below it.
MAX_NANO_USD = 2**53

_DECIMALS = 9
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
# Refuses megabytes of zeros before they are parsed; the largest amount has 17 characters.
_MAX_CHARACTERS = 64


class MoneyError(ValueError):
    """A text is no amount. The message says what is wrong with it and what would be right."""


def parse_usd(text: str) -> int:
    """Return the nano-USD of a decimal string such as `"1.00"`, from 0 to 2^53.

    Digits, optionally a point and up to 9 further digits: no sign, exponent, separator or space,
    because each of those has been read in two ways somewhere.

    Raises:
        MoneyError: the text is no such amount.
    """
    if len(text) > _MAX_CHARACTERS or not _AMOUNT.fullmatch(text):
        raise MoneyError(
            f"{_shown(text)} is no amount; write digits with a decimal point, such as 1.00"
        )
    whole, _, decimals = text.partition(".")
    if len(decimals) > _DECIMALS:
        raise MoneyError(
            f"{_shown(text)} has more than {_DECIMALS} decimals; round it to {_DECIMALS}"
        )
    nano_usd = int(whole) * NANO_PER_USD + int(decimals.ljust(_DECIMALS, "0"))
    if nano_usd > MAX_NANO_USD:
        raise MoneyError(f"{_shown(text)} is too large; use at most {format_usd(MAX_NANO_USD)}")
    return nano_usd


def format_usd(nano_usd: int) -> str:
    """Return the decimal string of an amount, exact, with at least two decimals: `"1.00"`.

    Negative amounts (corrections) get a leading `-`; those are for reading only, `parse_usd`
    takes none.
    """
    whole, decimals = divmod(abs(nano_usd), NANO_PER_USD)
    shown = f"{decimals:0{_DECIMALS}}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano_usd < 0 else ''}{whole}.{shown}"


def _shown(text: str) -> str:
    """The text as an error may show it: quoted, short, without control characters."""
    return ascii(text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…")
