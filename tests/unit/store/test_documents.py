from dataclasses import fields, replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.accounts import Account, KeyLimits, KeyRecord, KeySecret, NearCap
from fluxrouter_server.domain.catalog import Catalog, Model
from fluxrouter_server.domain.ids import AccountUid, KeyName, ModelId
from fluxrouter_server.domain.limits import AccountRecord, Generation
from fluxrouter_server.domain.plans import NamespaceSelector, Plan, RateLimits
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.documents import (
    decode_account_record,
    decode_catalog,
    decode_credential,
    decode_generation,
    decode_plan,
    encode_account,
    encode_catalog,
    encode_credential,
    encode_plan,
)
from fluxrouter_testing.resources import (
    accounts,
    catalogs,
    key_hashes,
    key_records,
    plans,
    sample_account,
    sample_catalog,
    sample_plan,
)

UID = AccountUid("abcdefghijklmnop")


@given(plans())
def test_a_plan_that_is_read_equals_the_one_written(plan: Plan) -> None:
    assert decode_plan(encode_plan(plan)) == plan


@given(catalogs())
def test_a_catalog_that_is_read_equals_the_one_written_in_the_same_order(catalog: Catalog) -> None:
    read = decode_catalog(encode_catalog(catalog))
    assert read == catalog
    assert list(read.lanes) == list(catalog.lanes)
    assert list(read.models) == list(catalog.models)
    assert list(read.aliases) == list(catalog.aliases)


@given(accounts(), st.lists(key_records(), max_size=3).map(tuple), st.booleans())
def test_an_account_that_is_read_equals_the_one_written(
    account: Account, secrets: tuple[KeyRecord, ...], deleted: bool
) -> None:
    record = AccountRecord(UID, account, secrets, deleted, Generation(7, "0badcafe"), 1_000_000)
    read = decode_account_record(
        encode_account(account, secrets),
        uid=record.uid,
        generation=record.generation,
        update_us=record.update_us,
        deleted=deleted,
    )
    assert read == record


@given(
    st.builds(
        CredentialRecord,
        name=st.text(),
        secret_hash=key_hashes(),
        scopes=st.frozensets(st.text()),
        create_us=st.integers(0, 2**53),
    )
)
def test_a_credential_that_is_read_equals_the_one_written(record: CredentialRecord) -> None:
    assert decode_credential(encode_credential(record)) == record


@given(st.builds(Generation, st.integers(0, 2**53), st.from_regex(r"[0-9a-f]{8}", fullmatch=True)))
def test_a_generation_that_is_read_equals_the_one_written(generation: Generation) -> None:
    assert decode_generation(str(generation).encode()) == generation


def test_no_field_of_a_type_was_forgotten() -> None:
    """The round trips would not notice a new field with a default: no example would set it."""
    selective = replace(
        sample_plan(), namespace_selector=NamespaceSelector({}, ()), absorbed_stop_nano_usd=0
    )
    kept = KeyLimits(KeyName("ci"), None, None, None, KeySecret("s", 1, 0))
    _, *plan = msgpack.unpackb(encode_plan(selective))
    _, *catalog = msgpack.unpackb(encode_catalog(sample_catalog()))
    strict = replace(sample_account(), keys=(kept,), near_cap=NearCap.SAME_TIER)
    _, *account = msgpack.unpackb(encode_account(strict, ()))
    assert len(account[9][0]) == len(fields(KeyLimits))
    assert len(account[9][0][4]) == len(fields(KeySecret))
    assert len(plan) == len(fields(Plan))
    assert len(catalog) == len(fields(Catalog))
    assert len(catalog[1][0]) == len(fields(Model))
    assert len(account) == len(fields(Account)) + len(["secrets"])
    for rate_limits in (plan[9], account[7][2]):
        assert len(rate_limits) == len(fields(RateLimits))


def test_documents_that_differ_in_order_of_labels_only_have_equal_bytes() -> None:
    one = replace(sample_plan(), labels={"a": "1", "b": "2"}, models=frozenset(map(ModelId, "xyz")))
    other = replace(
        sample_plan(), labels={"b": "2", "a": "1"}, models=frozenset(map(ModelId, "zyx"))
    )
    assert encode_plan(one) == encode_plan(other)


def test_a_document_of_another_version_is_refused_with_the_remedy() -> None:
    version, *rest = msgpack.unpackb(encode_plan(sample_plan()))
    newer = msgpack.packb([version + 1, *rest])
    with pytest.raises(StoreRefused, match=r"plan document has version 2.*run the newer server"):
        decode_plan(newer)


@pytest.mark.parametrize(
    "damaged", [b"", b"\xc1", b"\x01", msgpack.packb([1]), msgpack.packb([1, *range(20)])]
)
def test_damaged_bytes_are_refused_and_not_guessed_at(damaged: bytes) -> None:
    for read in (decode_plan, decode_catalog, decode_credential):
        with pytest.raises(StoreRefused, match="cannot be read"):
            read(damaged)


@pytest.mark.parametrize("text", [b"", b"12", b"-ab", b"x-ab", b"12-", b"\xff-ab"])
def test_a_damaged_generation_is_refused(text: bytes) -> None:
    with pytest.raises(StoreRefused, match="generation"):
        decode_generation(text)
