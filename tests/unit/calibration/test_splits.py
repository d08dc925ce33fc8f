from fluxrouter_server.calibration.splits import fold_of, hash_of, training_places

PROMPTS = tuple(f"prompt number {number}" for number in range(1000))


def test_a_prompt_always_falls_into_the_same_fold() -> None:
    """Written down, so that a split can be compared with one of another year."""
    assert [fold_of(prompt, 10) for prompt in PROMPTS[:8]] == [3, 1, 9, 9, 1, 2, 2, 4]


def test_folds_are_about_equally_large() -> None:
    sizes = [sum(fold_of(prompt, 10) == fold for prompt in PROMPTS) for fold in range(10)]
    assert sum(sizes) == 1000
    assert 70 < min(sizes) <= max(sizes) < 130


def test_a_row_that_is_judged_never_trains_not_even_its_copy() -> None:
    prompts = PROMPTS + PROMPTS[:500]
    for fold in range(10):
        places = training_places(prompts, fold)
        judged = {prompt for prompt in prompts if fold_of(prompt, 10) == fold}
        assert judged.isdisjoint(prompts[place] for place in places)


def test_a_bound_keeps_the_same_rows_whatever_their_order_and_whatever_is_added() -> None:
    few = {PROMPTS[place] for place in training_places(PROMPTS, 3, most=100)}
    backward = PROMPTS[::-1]
    assert few == {backward[place] for place in training_places(backward, 3, most=100)}
    more = {PROMPTS[place] for place in training_places(PROMPTS, 3, most=150)}
    assert few < more
    assert len(more) == 150


def test_hashes_of_odd_texts_and_other_salts_differ() -> None:
    assert len({hash_of(text) for text in ("", "\ud800", "a", "b")}) == 4
    assert hash_of("a", "fold") != hash_of("a", "train")
