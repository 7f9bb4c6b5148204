"""A key names its option, however it came and whatever the texts are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.metrics.choice import right_options
from labels.metrics.registry import score_answer
from labels.outcomes.formats import pack_questions, unpack_questions
from labels.questions import LETTERS, format_question
from labels.sources.rows import make_question

generated = settings(derandomize=True, deadline=None, max_examples=200)

# Few texts, so that options are often equal, alike after folding, like letters, or missing.
options = st.lists(
    st.sampled_from(["leaf", "Leaf", '"leaf"', "leaf.", "A", "b", "B.", "0", "1", "nan", "", None]),
    min_size=2,
    max_size=8,
)
COLUMNS = {"question": ["question"], "answers": ["key"], "choices": list("ABCDEFGH")}
LISTED = {"question": ["question"], "choices": ["choices"], "answer_index": ["key"]}
FORMS = (int, float, str, lambda number: f"{number}.0")


def check(question, place, text):
    assert right_options(question) == {place}
    assert score_answer(LETTERS[place], question).score == 1
    others = [k for k, choice in enumerate(question.choices) if choice and k != place]
    assert all(score_answer(LETTERS[k], question).score == 0 for k in others)
    assert f"\n{LETTERS[place]}. {text}" in format_question(question)
    assert unpack_questions(pack_questions([question])) == [question]


@generated
@given(options, st.data())
def test_a_letter_names_its_own_column(texts, data):
    place = data.draw(st.integers(0, len(texts) - 1))
    row = {"question": "Which?", **dict(zip("ABCDEFGH", texts, strict=False))}
    key = data.draw(
        st.sampled_from([LETTERS[place], LETTERS[place].lower(), f"({LETTERS[place]})"])
    )
    there = [text for text in texts if text not in ("", "nan", None)]
    if not there:
        return  # an open question
    if texts[place] not in there:
        with pytest.raises(ValueError, match=r"names a choice that is empty|is neither a letter"):
            make_question({**row, "key": key}, COLUMNS, "q", ["i"], "choice")
        return
    question = make_question({**row, "key": key}, COLUMNS, "q", ["i"], "choice")
    check(question, place, texts[place])


@generated
@given(options, st.sampled_from(FORMS), st.data())
def test_a_number_names_its_place_in_the_list(texts, form, data):
    place = data.draw(st.integers(0, len(texts) - 1))
    row = {"question": "Which?", "choices": texts, "key": form(place)}
    if not texts[place]:
        with pytest.raises(ValueError, match="expected the number of one of its"):
            make_question(row, LISTED, "q", ["i"], "choice")
        return
    check(make_question(row, LISTED, "q", ["i"], "choice"), place, texts[place])


@pytest.mark.parametrize(
    ("key", "choices", "message"),
    [
        ("A", ["B", "A"], "'A' is the letter of one choice and the text of another"),
        ("leaf", ["Leaf", "LEAF"], "'leaf' is like several of its choices: A, B"),
        ("stem", ["leaf", "root"], "'stem' is neither a letter nor the text of one of its 2"),
        ("1", ["leaf", "root"], "a number belongs into answer_index"),
        ("B", ["leaf", None, "root"], "'B' names a choice that is empty"),
    ],
)
def test_a_key_that_may_name_either_or_none_is_refused(key, choices, message):
    row = {"question": "Which?", "choices": choices, "key": key}
    fields = {"question": ["question"], "answers": ["key"], "choices": ["choices"]}
    with pytest.raises(ValueError, match=f"^sample 'q', column 'key': .*{message}"):
        make_question(row, fields, "q", ["i"], "choice")


@pytest.mark.parametrize(
    ("key", "choices", "right"),
    [
        ("A", ["A", "B"], (0,)),
        ("leaf", ["Leaf", "leaf"], (1,)),
        ("LEAF", ["leaf", "root"], (0,)),
        ("leaf", ["leaf", "root", "leaf"], (0, 2)),
        (["A", "C"], ["leaf", "root", "stem"], (0, 2)),
        (1, ["1", "0"], (0,)),
    ],
)
def test_texts_and_letters_in_a_list(key, choices, right):
    row = {"question": "Which?", "choices": choices, "key": key}
    fields = {"question": ["question"], "answers": ["key"], "choices": ["choices"]}
    assert make_question(row, fields, "q", ["i"], "choice").right == right


def test_equal_options_are_one_where_the_model_says_their_text():
    row = {"question": "Which?", "choices": ["root", "leaf", "stem", "leaf"], "key": 3}
    question = make_question(row, LISTED, "q", ["i"], "choice")
    assert score_answer("leaf", question).score == 1
    assert score_answer("B", question).score == 0
