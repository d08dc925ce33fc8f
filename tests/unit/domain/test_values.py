from dataclasses import field, fields, replace

import pytest

from fluxrouter_server.domain.values import per_call_value


@per_call_value
class Parcel:
    """A value with a field of each kind."""

    name: str
    grams: int = 1
    secret: str = field(default="", repr=False)


def test_a_value_of_a_call_is_equal_to_another_one_of_the_same_fields() -> None:
    assert Parcel("a", 2) == Parcel("a", 2)
    assert Parcel("a", 2) != Parcel("a", 3)


def test_equal_values_of_a_call_are_one_key_of_a_mapping() -> None:
    assert len({Parcel("a"), Parcel("a"), Parcel("b")}) == 2


def test_a_value_of_a_call_takes_no_attribute_that_was_not_declared() -> None:
    with pytest.raises(AttributeError):
        Parcel("a").colour = "red"  # type: ignore[attr-defined]


def test_a_value_of_a_call_is_a_dataclass_with_options_of_its_fields() -> None:
    assert [item.name for item in fields(Parcel)] == ["name", "grams", "secret"]  # type: ignore[arg-type]
    assert replace(Parcel("a", secret="s"), grams=5) == Parcel("a", 5, "s")
    assert "hush" not in repr(Parcel("a", secret="hush"))
