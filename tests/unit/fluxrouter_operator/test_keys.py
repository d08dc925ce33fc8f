from datetime import UTC, datetime

from fluxrouter_operator.decisions.keys import (
    InOrder,
    KeyWish,
    Make,
    NotOurs,
    Refuse,
    SecretHeld,
    ServerKey,
    ServerKeyState,
    Way,
    decide_key,
    dropped_keys,
    owned_keys,
    wishes,
)

CREATED = datetime(2027, 1, 15, 8, tzinfo=UTC)
WISH = KeyWish("ci", "ci-key", rotation=0, grace_seconds=60)
ROTATION = KeyWish("ci", "ci-key", rotation=1, grace_seconds=60)
ACTIVE = ServerKey("ci", "aa", ServerKeyState.ACTIVE, CREATED)
REVOKED = ServerKey("ci", "aa", ServerKeyState.REVOKED, CREATED)
OLD = ServerKey("ci", "00", ServerKeyState.ROTATED, CREATED)
HELD = SecretHeld("aa", rotation=0, resource_version="7")


def test_a_key_whose_secret_holds_the_active_one_is_in_order() -> None:
    assert decide_key(WISH, [OLD, ACTIVE], HELD) == InOrder(CREATED)


def test_a_new_key_is_created() -> None:
    assert decide_key(WISH, [], None) == Make(Way.CREATE, 60, None)


def test_a_key_without_its_secret_is_rotated() -> None:
    assert decide_key(WISH, [ACTIVE], None) == Make(Way.ROTATE, 60, None)


def test_a_secret_that_holds_something_else_gets_a_new_key() -> None:
    edited = SecretHeld("bb", rotation=0, resource_version="7")
    assert decide_key(WISH, [ACTIVE], edited) == Make(Way.ROTATE, 60, edited)


def test_a_secret_with_the_previous_key_gets_a_new_one() -> None:
    stale = SecretHeld("00", rotation=0, resource_version="7")
    assert decide_key(WISH, [OLD, ACTIVE], stale) == Make(Way.ROTATE, 60, stale)


def test_a_raised_rotation_rotates_once() -> None:
    assert decide_key(ROTATION, [ACTIVE], HELD) == Make(Way.ROTATE, 60, HELD)
    done = SecretHeld("aa", rotation=1, resource_version="8")
    assert decide_key(ROTATION, [ACTIVE], done) == InOrder(CREATED)


def test_a_key_that_was_revoked_by_hand_is_made_anew() -> None:
    assert decide_key(WISH, [REVOKED], HELD) == Make(Way.CREATE, 60, HELD)


def test_somebody_elses_secret_stops_everything() -> None:
    assert decide_key(WISH, [ACTIVE], NotOurs("Pod x")) == Refuse("Pod x")
    assert decide_key(ROTATION, [], NotOurs("Pod x")) == Refuse("Pod x")


def test_only_keys_with_a_secret_are_taken_care_of() -> None:
    spec = {
        "apiKeys": [
            {"name": "by-hand"},
            {"name": "ci", "secret": {"name": "ci-key"}},
            {"name": "cd", "secret": {"name": "s", "rotation": 2, "rotationGraceSeconds": 0}},
        ]
    }
    assert wishes(spec) == (
        KeyWish("ci", "ci-key", 0, 86_400),
        KeyWish("cd", "s", 2, 0),
    )


def test_a_key_that_left_the_spec_is_dropped() -> None:
    status = {"apiKeys": [{"name": "ci", "secretName": "a"}, {"name": "cd", "secretName": "b"}]}
    spec = {"apiKeys": [{"name": "ci", "secret": {"name": "a"}}, {"name": "cd"}]}
    assert dropped_keys(spec, status) == (("cd", "b"),)
    assert dropped_keys({}, status) == (("ci", "a"), ("cd", "b"))
    assert dropped_keys(spec, {}) == ()


def test_a_key_is_ours_while_it_is_wanted_or_known() -> None:
    status = {"apiKeys": [{"name": "ci", "secretName": "a"}]}
    spec = {"apiKeys": [{"name": "cd", "secret": {"name": "b"}}, {"name": "by-hand"}]}
    assert owned_keys(spec, status) == ("ci", "cd")
    assert owned_keys({}, {}) == ()
