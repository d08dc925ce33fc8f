import base64
import hashlib
from typing import Any

import pytest

from fluxrouter_operator.decisions.keys import KeyWish, NotOurs, SecretHeld
from fluxrouter_operator.decisions.secret_objects import read_secret, secret
from fluxrouter_testing.observed_samples import observed_account

ACCOUNT = observed_account()
WISH = KeyWish("ci", "ci-key", rotation=3, grace_seconds=0)


def stored() -> dict[str, Any]:
    made = secret(ACCOUNT, WISH, "fr-text")
    return {**made, "metadata": {**made["metadata"], "resourceVersion": "9"}}


def test_a_secret_of_ours_is_known_again() -> None:
    digest = hashlib.sha256(b"fr-text").hexdigest()
    assert read_secret(stored(), ACCOUNT, "ci") == SecretHeld(digest, 3, "9")


def test_a_secret_goes_with_its_account() -> None:
    (owner,) = secret(ACCOUNT, WISH, "fr-text")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Account", "demo", ACCOUNT.uid)
    assert owner["controller"]


def test_a_secret_of_another_account_is_not_ours() -> None:
    other = observed_account("other")
    assert read_secret(stored(), other, "ci") == NotOurs("Account demo")


def test_a_secret_of_an_earlier_account_of_the_same_name_is_not_ours() -> None:
    reborn = observed_account()
    raw = stored()
    raw["metadata"]["ownerReferences"][0]["uid"] = "an-earlier-one"
    assert isinstance(read_secret(raw, reborn, "ci"), NotOurs)


def test_a_secret_without_an_owner_is_not_ours() -> None:
    raw = stored()
    raw["metadata"]["ownerReferences"] = None
    assert read_secret(raw, ACCOUNT, "ci") == NotOurs("somebody who did not say so")


def test_a_secret_of_another_key_is_not_this_keys() -> None:
    assert read_secret(stored(), ACCOUNT, "cd") == NotOurs("the key ci of this account")


@pytest.mark.parametrize(
    "data", [None, {}, {"api-key": ""}, {"api-key": "not base64!"}, {"other": "eA=="}]
)
def test_a_secret_without_a_readable_key_holds_nothing(data: object) -> None:
    raw = {**stored(), "data": data}
    assert read_secret(raw, ACCOUNT, "ci") == SecretHeld("", 3, "9")


def test_an_edited_rotation_counts_as_none() -> None:
    raw = stored()
    raw["metadata"]["annotations"]["fluxrouter.ai/rotation"] = "many"
    assert read_secret(raw, ACCOUNT, "ci") == SecretHeld(
        hashlib.sha256(b"fr-text").hexdigest(), 0, "9"
    )


def test_the_text_is_in_the_data_and_nowhere_else() -> None:
    made = secret(ACCOUNT, WISH, "fr-text")
    assert base64.b64decode(made.pop("data")["api-key"]) == b"fr-text"
    assert "fr-text" not in repr(made)
