import pytest

from labels.metrics.vqa import normalise_vqa, soft_accuracy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Red Bus.", "red bus"),
        ("an apple", "apple"),
        ("None", "0"),
        ("Ten birds", "10 birds"),
        ("dont know", "don't know"),
        ("couldntve", "couldntve"),
        ("couldnt've", "couldn't've"),
        ("1,000", "1000"),
        ("3.5 m", "3.5 m"),
        ("black/white", "black white"),
        ("black / white", "black  white".replace("  ", " ")),
        ("yes!", "yes"),
        ("t-shirt", "t shirt"),
        ("well- known", "well known"),
        ("man's hat", "man 's hat"),
        ("two\nlines\there", "2 lines here"),
        ("what?", "what"),
    ],
)
def test_normalise(text, expected):
    assert normalise_vqa(text) == expected


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        # Left out once each: the matching people see one match fewer than the others do.
        (0, 0.0),
        (1, (9 * 1 / 3 + 1 * 0) / 10),
        (2, (8 * 2 / 3 + 2 * 1 / 3) / 10),
        (3, (7 * 1 + 3 * 2 / 3) / 10),
        (4, 1.0),
        (10, 1.0),
    ],
)
def test_soft_accuracy_leaves_each_person_out_once(matches, expected):
    references = ["Tea"] * matches + ["milk"] * (10 - matches)
    assert soft_accuracy("the tea.", references) == pytest.approx(expected)


def test_soft_accuracy_normalises_unanimous_answers_too():
    assert soft_accuracy("2", ["two"] * 10) == 1.0
