from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.services.page_tokens import make_token, read_token

TEXTS = st.text(st.characters(codec="utf-8"), max_size=80)


@given(TEXTS, TEXTS)
def test_a_token_reads_back_in_its_list(query: str, after: str) -> None:
    assert read_token(query, make_token(query, after)) == after


@given(TEXTS, TEXTS, TEXTS)
def test_a_token_does_not_read_in_another_list(query: str, other: str, after: str) -> None:
    if query != other:
        assert read_token(other, make_token(query, after)) is None


@given(st.text(max_size=80))
def test_any_other_text_is_no_token(text: str) -> None:
    assert read_token("plan/", text) is None
