import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.money import MAX_NANO_USD, MoneyError, format_usd, parse_usd


@given(st.integers(0, MAX_NANO_USD))
def test_an_amount_survives_writing_and_reading(nano_usd: int) -> None:
    assert parse_usd(format_usd(nano_usd)) == nano_usd


@pytest.mark.parametrize(
    "text,nano_usd",
    [
        ("0", 0),
        ("1", 1_000_000_000),
        ("1.00", 1_000_000_000),
        ("0.000000001", 1),
        ("007.5", 7_500_000_000),
        ("9007199.254740992", 2**53),
    ],
)
def test_an_amount_is_read_exactly(text: str, nano_usd: int) -> None:
    assert parse_usd(text) == nano_usd


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "1\n", "+1", "-1", "-0", "1e3", "1E3", "1_000", "1,000", "1.", ".5"),
        *("1.0.0", "0x10", "NaN", "inf", "$1", "\uff11", "٣", "1.0000000000", "9007199.254740993"),
        *("9007200", "9" * 400, "0" * 65, "1\x00"),
    ],
)
def test_what_is_no_amount_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(MoneyError, match=r"write digits|round it|use at most"):
        parse_usd(text)


def test_the_refusal_of_a_huge_text_is_short() -> None:
    with pytest.raises(MoneyError) as refusal:
        parse_usd("9" * 10_000_000)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    "nano_usd,text",
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (1_000_000_000, "1.00"),
        (1_500_000_000, "1.50"),
        (1_234_000_000, "1.234"),
        (-1_500_000_000, "-1.50"),
    ],
)
def test_an_amount_shows_cents_and_what_is_below_them_if_there_is_any(
    nano_usd: int, text: str
) -> None:
    assert format_usd(nano_usd) == text
