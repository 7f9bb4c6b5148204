"""A file of other words for questions."""

import json
from codecs import BOM_UTF8

import pytest

from labels.labelling.paraphrases import add_paraphrases


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "words.jsonl"
        path.write_text(
            "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        )
        return path

    return write


def test_words_by_sample_come_before_words_by_text(toy, write):
    path = write(
        {"sample_id": "q0-0", "paraphrases": ["Which shade?", "How red?"]},
        "",
        {"question": "Shade 0?", "paraphrases": ["What shade?"]},
    )
    questions = add_paraphrases(toy.make_questions(), path)
    own = {question.sample_id: question for question in questions}
    reword = questions.wordings.reword
    assert [reword(own["q0-0"], k) for k in (1, 2, 3)] == [
        "Which shade?",
        "How red?",
        "Which shade?",
    ]
    assert reword(own["q1-0"], 1) == "What shade?"
    assert reword(own["q1-1"], 1) == "Shade 1?"
    # The name follows the content.
    other = add_paraphrases(
        toy.make_questions(), write({"sample_id": "q0-0", "paraphrases": ["a"]})
    )
    assert other.wordings.name != questions.wordings.name


def test_a_byte_order_mark_is_no_content(toy, write):
    path = write({"sample_id": "q0-0", "paraphrases": ["Which shade?"]})
    path.write_bytes(BOM_UTF8 + path.read_bytes())
    questions = add_paraphrases(toy.make_questions(), path)
    assert questions.wordings.reword(questions[0], 1) == "Which shade?"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "line 1 cannot be used"),
        ({"sample_id": "q0-0"}, "'paraphrases' is missing"),
        ({"sample_id": "q0-0", "paraphrases": []}, "'paraphrases': .*at least 1"),
        ({"sample_id": "q0-0", "paraphrases": [" "]}, "line 1 has an empty paraphrase"),
        ({"paraphrases": ["a"]}, "must name either a sample_id or a question"),
        ({"sample_id": "a", "question": "b", "paraphrases": ["a"]}, "must name either"),
        ({"sample_id": "q0-0", "paraphrase": ["a"]}, "is missing|is unknown"),
        ({"sample_id": "elsewhere", "paraphrases": ["a"]}, "names none of the 15 questions of toy"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(toy, write, line, message):
    with pytest.raises(ValueError, match=message) as raised:
        add_paraphrases(toy.make_questions(), write(line))
    assert "\n" not in str(raised.value)
