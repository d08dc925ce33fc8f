import pytest

from fluxrouter_server.store.addresses import StoreAddress, StoreUrlInvalid, parse_store_url


@pytest.mark.parametrize(
    "url,address",
    [
        ("valkey://store", StoreAddress(host="store", port=6379)),
        ("redis://store:7000/", StoreAddress(host="store", port=7000)),
        ("redis://store/0", StoreAddress(host="store", port=6379)),
        ("valkeys://store", StoreAddress(host="store", port=6379, tls=True)),
        ("rediss://store:1", StoreAddress(host="store", port=1, tls=True)),
        ("valkey://[::1]:6380", StoreAddress(host="::1", port=6380)),
        ("unix:///run/valkey.sock", StoreAddress(path="/run/valkey.sock")),
        ("unix:///run/my%20store", StoreAddress(path="/run/my store")),
        (
            "unix://:secret@/run/valkey.sock",
            StoreAddress(path="/run/valkey.sock", password="secret"),
        ),
        (
            "valkey://flux:p%40ss%2Fw%3F@store",
            StoreAddress(host="store", port=6379, username="flux", password="p@ss/w?"),
        ),
        (" valkey://store\n", StoreAddress(host="store", port=6379)),
    ],
)
def test_a_url_becomes_an_address(url: str, address: StoreAddress) -> None:
    assert parse_store_url(url) == address


@pytest.mark.parametrize(
    "url,said",
    [
        ("", "unknown scheme ''"),
        ("store:6379", "unknown scheme 'store'"),
        ("sentinel+redis://a,b/main", "unknown scheme 'sentinel+redis'"),
        ("http://store", "write valkey://host:6379"),
        ("valkey://", "host is missing"),
        ("valkey://:6379", "host is missing"),
        ("valkey://store:port", "port cannot be read"),
        ("valkey://store:65536", "port cannot be read"),
        ("valkey://store:0", "port 0"),
        ("valkey://store/1", "'/1' names a database"),
        ("valkey://store?db=0", "takes no '?'"),
        ("valkey://store#x", "takes no '?' or '#'"),
        ("valkey://flux@store", "user without a password"),
        ("unix://run/valkey.sock", "three slashes"),
        ("unix://", "path is missing"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_part_that_is_wrong(url: str, said: str) -> None:
    with pytest.raises(StoreUrlInvalid) as refusal:
        parse_store_url(url)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "valkey://flux:secret@store:port",
        "valkey://flux:secret@store/1",
        "valkey://flux:secret@store?x",
        "http://flux:secret@store",
        "unix://flux:secret@",
    ],
)
def test_an_error_shows_no_password(url: str) -> None:
    with pytest.raises(StoreUrlInvalid) as refusal:
        parse_store_url(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url,shown",
    [
        ("rediss://flux:secret@store", "valkeys://flux@store:6379"),
        ("valkey://:secret@[::1]", "valkey://[::1]:6379"),
        ("unix://:secret@/run/valkey.sock", "unix:///run/valkey.sock"),
    ],
)
def test_an_address_shows_no_password(url: str, shown: str) -> None:
    address = parse_store_url(url)
    assert str(address) == shown
    assert "secret" not in repr(address)
