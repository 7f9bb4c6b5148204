"""Made-up words: one of a question, never what it is about, and each time another."""

import numpy as np
import pytest

from labels.scenes.wide.made_up import invent_word, replace_word


def test_one_word_is_replaced_and_what_is_asked_about_stays():
    asked = "How many red stars are left of the plus sign?"
    for seed in range(60):
        words = replace_word(asked, np.random.default_rng(seed)).strip("?").split()
        assert sum(a != b for a, b in zip(words, asked.strip("?").split(), strict=True)) == 1
        assert {"red", "stars", "left", "plus", "sign"} <= set(words)


@pytest.mark.parametrize("question", ["Anchor?", "3120?", "", "Red or green?\nA. red\nB. green"])
def test_options_and_names_stay(question):
    changed = {replace_word(question, np.random.default_rng(seed)) for seed in range(20)}
    first, *options = question.split("\n")
    assert all(one.split("\n")[1:] == options for one in changed)
    assert " or " in first or changed == {question}


def test_words_are_of_many_kinds():
    words = {invent_word(np.random.default_rng(seed)) for seed in range(200)}
    assert len(words) > 190 and all(4 <= len(word) <= 7 for word in words)
