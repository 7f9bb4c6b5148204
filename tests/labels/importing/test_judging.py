import pytest

from labels.importing.judging import gather_questions, judge_rows, match_questions
from labels.questions import Question


def make_rows(**cells):
    return [
        {"sample_id": 0, "scale": scale, "answer": answer, "score": None, **cells}
        for scale, answer in ((1, "a dog"), (9, "(B)"))
    ]


def test_answers_are_judged_by_what_the_log_says():
    rows = make_rows(target="B", choices=["cat", "cow"])
    judged = judge_rows(rows, gather_questions(rows, "choice"))
    assert [(row["score"], row["parse_ok"]) for row in judged] == [(0.0, False), (1.0, True)]


def test_answers_are_judged_by_questions_of_a_source():
    source = [
        Question("0", "i", "Which?", ("a dog",), "exact"),
        Question("1", "j", "Q", ("",), "exact"),
    ]
    rows = make_rows(question="USER: which?\nAnswer in a word.")
    questions = match_questions(gather_questions(rows), source)
    assert list(questions.values()) == source[:1]
    assert [row["score"] for row in judge_rows(rows, questions)] == [1.0, 0.0]


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="metric choice but fewer than two choices"):
        gather_questions(make_rows(target="B"), "choice")
    with pytest.raises(ValueError, match="has no answers"):
        gather_questions(make_rows(), "exact")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            Question("00", "i", "Which?", ("x",), "exact"),
            r"1 of 1 samples .* such as '0'; these have",
        ),
        (Question("0", "i", "What?", ("x",), "exact"), r"'0' was asked 'Which\?', not 'What\?'"),
    ],
)
def test_questions_that_do_not_match_are_named(source, message):
    with pytest.raises(ValueError, match=message):
        match_questions(gather_questions(make_rows(question="Which?")), [source])


def test_without_ground_truth_the_largest_scale_is_right():
    rows = make_rows(target=None)[::-1]
    judged = judge_rows(rows, gather_questions(rows, "reference"))
    assert [(row["scale"], row["score"]) for row in judged] == [(9, 1.0), (1, 0.0)]
    same = [row | {"answer": "a dog"} for row in rows]
    assert [row["score"] for row in judge_rows(same, gather_questions(same, "reference"))] == [1, 1]
