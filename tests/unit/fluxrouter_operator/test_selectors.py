import pytest

from fluxrouter_operator.decisions.selectors import selects

LABELS = {"team": "search", "tier": "gold"}


@pytest.mark.parametrize(
    "selector,expected",
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {}}, True),
        ({"matchLabels": {"team": "search"}}, True),
        ({"matchLabels": {"team": "search", "tier": "silver"}}, False),
        ({"matchLabels": {"region": "eu"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["search"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["ads"]}]}, False),
        ({"matchExpressions": [{"key": "region", "operator": "In", "values": ["eu"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["ads"]}]}, True),
        ({"matchExpressions": [{"key": "region", "operator": "NotIn", "values": ["eu"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["search"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "region", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "region", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, False),
        (
            {
                "matchLabels": {"team": "search"},
                "matchExpressions": [{"key": "region", "operator": "Exists"}],
            },
            False,
        ),
    ],
)
def test_a_selector_means_what_it_means_in_kubernetes(
    selector: dict[str, object] | None, expected: bool
) -> None:
    assert selects(selector, LABELS) is expected


def test_an_operator_of_the_future_is_no_open_door() -> None:
    with pytest.raises(ValueError, match="unknown operator 'Gt'"):
        selects({"matchExpressions": [{"key": "team", "operator": "Gt"}]}, LABELS)
