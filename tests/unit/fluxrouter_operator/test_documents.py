import pytest

from fluxrouter_operator.decisions.documents import DocumentError, digest, to_resource
from fluxrouter_testing.observed_samples import observed_account, observed_plan


def test_an_account_becomes_the_message_that_the_server_takes() -> None:
    resource = to_resource(observed_account(namespace="team", apiKeys=[{"name": "ci"}]))
    account = resource.account
    assert (account.metadata.namespace, account.metadata.name) == ("team", "demo")
    assert (account.spec.plan, account.spec.api_keys[0].name) == ("free", "ci")


def test_amounts_stay_strings() -> None:
    assert to_resource(observed_plan()).plan.spec.cap_usd == "1.00"


def test_a_field_of_a_newer_schema_is_named() -> None:
    with pytest.raises(DocumentError, match=r"colour.*upgrade the operator"):
        to_resource(observed_plan(colour="red"))


def test_what_differs_has_another_digest() -> None:
    one, two = to_resource(observed_plan()), to_resource(observed_plan(feeUsd="1"))
    assert digest(one) == digest(to_resource(observed_plan()))
    assert digest(one) != digest(two)
    assert len(digest(one)) == 16
