"""Cells in every form that `datasets`, pandas, CSV and JSON give them, generated."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.cells import (
    is_empty,
    parse_list,
    read_option_columns,
    read_options,
    read_text,
    read_texts,
    read_whole,
)
from m3_backbone.serialization import show

WHERE = "sample 'a', column 'b'"
READERS = (read_text, read_texts, read_options, read_whole)

generated = settings(derandomize=True, deadline=None, max_examples=150)

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
# In a list that numpy wrote, blanks part two items; a line break within one is kept as an escape.
answers = st.lists(words, min_size=1, max_size=6)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=30),
    st.decimals(),
    st.just(pd.NA),
    st.just(pd.NaT),
    st.datetimes(),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["answer", "text", "A", "B", "x"]), inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=12,
)


@generated
@given(st.integers(-(2**50), 2**50))
def test_whole_numbers_are_whole_in_every_form(number):
    forms = [number, float(number), str(number), f"{number}.0", np.int64(number), Decimal(number)]
    forms += [np.float64(number), np.array(number), f" {number} ", str(number).encode()]
    assert {read_whole(form, WHERE) for form in forms} == {number}
    plain = (number, float(number), np.int64(number), np.float64(number), Decimal(number))
    assert {read_text(form, WHERE) for form in plain} == {str(number)}


@generated
@given(answers)
def test_answers_are_the_same_in_every_form(texts):
    expected = tuple(texts)
    forms = [
        texts,
        expected,
        [texts],
        [[text] for text in texts],
        np.array(texts, dtype=object),
        [*texts, None, float("nan")],
        [{"answer": text, "answer_confidence": "yes"} for text in texts],
        [{"text": text} for text in texts],
        {"answer": texts, "answer_id": list(range(len(texts)))},
        {"text": np.array(texts, dtype=object), "answer_start": [0]},
        json.dumps(texts),
        json.dumps(texts, ensure_ascii=False),
        repr(texts),
        f"[{' '.join(map(repr, texts))}]",
        json.dumps([{"answer": text, "answer_id": k} for k, text in enumerate(texts)]),
        repr([{"answer_id": k, "answer": text} for k, text in enumerate(texts)]),
        str(np.array([{"text": text, "sure": None} for text in texts], dtype=object)),
    ]
    for form in forms:
        assert read_texts(form, WHERE) == expected


@generated
@given(st.lists(st.one_of(words, st.none()), min_size=1, max_size=8))
def test_options_keep_their_places_in_every_form(texts):
    last = max((place for place, text in enumerate(texts) if text), default=-1)
    expected = tuple(text or "" for text in texts[: last + 1])
    letters = dict(zip("ABCDEFGH", texts, strict=False))
    forms = [texts, tuple(texts), {"text": texts, "label": list(letters)}, letters]
    forms += [json.dumps(texts), repr(texts), np.array(texts, dtype=object)]
    for form in forms:
        assert read_options(form, WHERE) == expected
    for nothing in ("nan", "", None, float("nan"), pd.NA):
        cells = [nothing if text is None else text for text in texts]
        plain = tuple("" if text == "nan" else text for text in expected)
        assert read_option_columns(cells, WHERE) == plain


@generated
@given(anything)
def test_any_cell_is_read_or_refused_in_one_short_line(cell):
    for reader in READERS:
        try:
            reader(cell, WHERE)
        except ValueError as error:
            assert str(error).startswith(f"{WHERE}: expected ")
            assert len(str(error)) < 300
            assert "\n" not in str(error)


@generated
@given(st.text(max_size=60))
def test_any_text_is_itself_unless_it_is_a_list(text):
    half = any("\ud800" <= letter <= "\udfff" for letter in text)
    read = read_text(text, WHERE)
    read.encode()
    assert (read == text) != half
    assert parse_list(f"x{text}") is None


@generated
@given(st.text(), st.text())
def test_halves_that_stand_together_are_one_character_and_others_are_replaced(before, after):
    before, after = read_text(before, WHERE), read_text(after, WHERE)
    for halves, read in (("\ud83d\ude00", "\U0001f600"), ("\ude00\ud83d", "\ufffd" * 2)):
        assert read_text(f"{before}{halves}{after}", WHERE) == f"{before}{read}{after}"


@pytest.mark.parametrize("cell", [True, np.bool_(True), "True", b"True", np.array(True)])
def test_a_truth_value_is_the_text_that_tables_write(cell):
    assert read_text(cell, WHERE) == "True"
    assert read_texts([cell, "no"], WHERE) == ("True", "no")
    with pytest.raises(ValueError, match="expected a whole number"):
        read_whole(cell, WHERE)


@pytest.mark.parametrize("cell", ["x" * 10**6, b"x" * 10**6, ["x" * 10**6] * 9, {"x" * 10**6: 1}])
def test_a_cell_is_never_shown_whole(cell):
    assert len(show(cell)) <= 80


def test_a_cell_nested_deep_is_refused():
    cell = []
    for _ in range(50_000):
        cell = [cell]
    for reader in READERS:
        with pytest.raises(ValueError, match=r"expected .*\[\["):
            reader(cell, WHERE)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "[0.5 1]", "[see above]", "['a''b']", "['a', b]", "[", "[{1, 2}]"]
)
def test_what_may_be_an_answer_stays_text(text):
    assert read_texts(text, WHERE) == (text,)


@pytest.mark.parametrize("text", ['[{"label": "cup", "box": [1, 2]}]', "[{'x': 3} {'x': [4]}]"])
def test_boxes_in_text_are_an_answer(text):
    assert read_texts(text, WHERE) == (text,)


def test_dicts_in_text_may_hold_dicts():
    assert read_texts("[{'answer': 'a', 'box': {'x': [1]}}, {'answer': 'b'}]", WHERE) == ("a", "b")


def test_a_text_that_goes_on_behind_a_list_is_an_answer():
    text = "[{'x': 1}] is what the code prints"
    assert read_texts(text, WHERE) == (text,)


@pytest.mark.parametrize(
    "text",
    [
        "[{'answer': 'a'}, {'answer': 'b'",
        "[{'answer': 'a'}, ...]",
        '[{"answer": nan}, {"answer": "b"}]',
        "[{'answer': {'text': a}}]",
        f"[{{'answer': {'-' * 10**5}1}}]",
        f"[{{'answer': {'(' * 10**5}}}]",
    ],
)
def test_a_list_of_dicts_in_text_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match="^sample 1: expected a whole list of answers, got "):
        read_texts(text, "sample 1")


@pytest.mark.parametrize("cell", ["[1, 2]", "[1.0 2.0]", "(1, 2)[1, 2]"])
def test_numbers_in_text_are_options(cell):
    if cell.startswith("["):
        assert read_options(cell, WHERE) == ("1", "2")
    else:
        with pytest.raises(ValueError, match="expected a list of choices, got the text"):
            read_options(cell, WHERE)


def test_the_keys_that_are_there_are_named():
    with pytest.raises(ValueError, match="under answer or text; it has: 'value', 'start'"):
        read_texts([{"value": "a cat", "start": 3}], WHERE)


@pytest.mark.parametrize("cell", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, ""])
def test_nothing_is_empty_in_every_form(cell):
    assert is_empty(cell)
    assert read_text(cell, WHERE) == ""
    assert read_texts(cell, WHERE) == read_options(cell, WHERE) == ()
