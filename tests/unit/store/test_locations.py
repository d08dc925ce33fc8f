import pytest

from fluxrouter_server.store.addresses import StoreAddress, StoreUrlInvalid
from fluxrouter_server.store.locations import StoreShape, parse_store_location


def test_a_plain_url_is_one_server() -> None:
    location = parse_store_location("valkeys://user:secret@store:7000")
    assert location.shape is StoreShape.SINGLE
    assert location.nodes == (StoreAddress("store", 7000, "", "user", "secret", tls=True),)
    assert str(location) == "valkeys://user@store:7000"


def test_a_cluster_has_several_nodes_and_one_login() -> None:
    location = parse_store_location("valkeys+cluster://user:p%40ss@one,two:7001,[::1]:7002")
    assert location.shape is StoreShape.CLUSTER
    assert location.nodes == tuple(
        StoreAddress(host, port, "", "user", "p@ss", tls=True)
        for host, port in (("one", 6379), ("two", 7001), ("::1", 7002))
    )


def test_sentinels_have_a_login_of_their_own_and_know_a_primary_by_name() -> None:
    location = parse_store_location(
        "redis+sentinel://:secret@one,two:26380/billing?sentinel_password=other"
    )
    assert location.shape is StoreShape.SENTINEL
    assert location.primary_name == "billing"
    assert location.nodes == (
        StoreAddress("one", 26379, password="other"),
        StoreAddress("two", 26380, password="other"),
    )
    assert (location.servers.password, location.servers.tls) == ("secret", False)


def test_a_location_is_shown_without_its_passwords() -> None:
    url = "valkey+sentinel://u:secret@one:1,two:2/billing?sentinel_user=s&sentinel_password=other"
    assert str(parse_store_location(url)) == "valkey+sentinel://one:1,two:2/billing"


@pytest.mark.parametrize(
    "url, word",
    [
        ("valkey+ring://one", "unknown scheme"),
        ("valkey+cluster://one,two/1", "hosts"),
        ("valkey+cluster://one,,two", "host"),
        ("valkey+sentinel://one,two", "name"),
        ("valkey+sentinel://one/billing?password=x", "password"),
        ("http+cluster://one", "unknown scheme"),
    ],
)
def test_a_location_that_cannot_be_used_says_what_to_write(url: str, word: str) -> None:
    with pytest.raises(StoreUrlInvalid, match=word):
        parse_store_location(url)
