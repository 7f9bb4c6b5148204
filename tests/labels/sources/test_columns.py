"""Columns by name, by alternatives, several together, and file names made of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.sources.columns import map_columns, take_cell

NEEDED = ("image", "question", "answers")
PRESENT = ["image", "question", "answers", "a,b", "x|y", "{z}", "id", "A", "B"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("id", ("id",)),
        ("gone|id", ("id",)),
        ("A,B", ("A", "B")),
        ("A,gone|B", ("B",)),
        ("a,b", ("a,b",)),
        ("x|y", ("x|y",)),
        ("{z}", ("{z}",)),
        ("{id}.jpg", ("{id}.jpg",)),
        ("{gone}.jpg|{id}.jpg", ("{id}.jpg",)),
        ("{A}/{B:012}.jpg", ("{A}/{B:012}.jpg",)),
    ],
)
def test_ways_to_name_an_image(named, expected):
    assert map_columns("q", PRESENT, {"image": named}, NEEDED)["image"] == expected


@pytest.mark.parametrize(
    ("named", "missing"), [("gone", "gone"), ("A,gone", "gone"), ("{gone}.jpg|other", "gone")]
)
def test_what_is_not_there_is_named(named, missing):
    with pytest.raises(ValueError, match=f"^q has no column '{missing}' for the field 'image'"):
        map_columns("q", PRESENT, {"image": named}, NEEDED)


def test_a_field_may_have_no_column():
    assert "group" not in map_columns("q", PRESENT, {"group": "gone|"}, NEEDED)
    with pytest.raises(ValueError, match="has no column 'gone' for the field 'group'"):
        map_columns("q", PRESENT, {"group": "gone"}, NEEDED)
    with pytest.raises(ValueError, match="has no column 'gone' for the field 'answers'"):
        map_columns("q", PRESENT, {"answers": "gone|"}, NEEDED)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 10**9), st.sampled_from([int, float, str]))
def test_a_file_name_is_filled_from_its_row(number, form):
    row = {"image_id": form(number) if form is not str else str(number), "split": "val"}
    assert take_cell(row, "{split}/{image_id:012}.jpg") == f"val/{number:012}.jpg"


def test_a_file_name_without_a_part_is_no_image():
    assert take_cell({"id": 7, "image": None}, "{id}/{image}") is None
    assert take_cell({"{id}": "whole"}, "{id}") == "whole"
