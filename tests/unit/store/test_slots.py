from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.keys import SHARDS, account_keys, meta_key
from fluxrouter_server.store.replies import ErrorReply
from fluxrouter_server.store.slots import read_redirection, read_slots, shard_named

ASKED = StoreAddress("seed", 7000, "", "user", "secret", tls=True)


def test_the_first_key_of_a_command_names_the_shard() -> None:
    keys = account_keys(AccountUid("a" * 16))
    assert shard_named(("EVALSHA", "0" * 40, 2, keys.meta, keys.holds)) == keys.shard
    assert shard_named((b"UNLINK", keys.ledger.encode())) == keys.shard
    assert shard_named(("SCAN", 0, "MATCH", f"{meta_key(0xAB)[:8]}*")) == 0xAB


def test_a_command_without_a_key_names_no_shard() -> None:
    assert shard_named(("SCAN", b"0", "MATCH", "fx:{*", "COUNT", 100)) is None
    assert shard_named(("INFO", "server")) is None


def test_every_shard_has_the_primary_of_its_slot() -> None:
    told = read_slots(
        [
            [0, 8191, [b"one", 7001, b"id"], [b"replica", 7003, b"id"]],
            [8192, 16383, [b"", 7002, b"id"]],
        ],
        ASKED,
    )
    assert len(told) == SHARDS
    assert {(address.host, address.port) for address in told.values()} == {
        ("one", 7001),
        ("seed", 7002),  # a node leaves its own host out where it does not know it
    }
    assert {(address.username, address.tls) for address in told.values()} == {("user", True)}


def test_a_slot_that_nobody_serves_leaves_its_shards_without_a_primary() -> None:
    assert read_slots([[0, 0, [b"one", 7001, b"id"]]], ASKED) == {}
    assert read_slots(None, ASKED) == {}


def test_a_redirection_says_where_to() -> None:
    moved = read_redirection(ErrorReply("MOVED 3999 10.0.0.1:6381"), ASKED)
    assert moved == StoreAddress("10.0.0.1", 6381, "", "user", "secret", tls=True)
    asked = read_redirection(ErrorReply("ASK 3999 [::1]:6381"), ASKED)
    assert asked is not None
    assert asked.host == "::1"
    unnamed = read_redirection(ErrorReply("MOVED 3999 :6381"), ASKED)
    assert unnamed is not None
    assert unnamed.host == "seed"


def test_any_other_error_leads_nowhere() -> None:
    assert read_redirection(ErrorReply("TRYAGAIN Multiple keys request"), ASKED) is None
    assert read_redirection(ErrorReply("MOVED"), ASKED) is None
    assert read_redirection(OSError("gone"), ASKED) is None
