from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize("metric", [None, "choice"])
def test_a_letter_of_a_log_is_a_letter_whatever_the_options_say(metric):
    options = {"target": "A", "choices": ["B", "C", "A", "D"]}
    rows = make_rows(**options, lettered=True)
    rows[0]["answer"], rows[1]["answer"] = "A", "C"
    judged = judge_rows(rows, gather_questions(rows, metric))
    assert [row["score"] for row in judged] == [1.0, 0.0]
    own = [{**row, "lettered": None} for row in rows]  # a table of one's own may hold texts
    assert [row["score"] for row in judge_rows(own, gather_questions(own, metric))] == [0.0, 1.0]


def test_cells_without_a_number_say_nothing():
    [question] = gather_questions(make_rows(target="red", group=float("nan"))).values()
    assert question.group == ""


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


def test_a_log_may_leave_out_the_hint_of_a_question_and_nothing_else():
    source = [Question("0", "i", "A red sky.\nIt is late.\nWhich?", ("x",), "exact")]
    for asked in ("Which?", " which? ", "It is late. Which?", f"{source[0].question} A. cat"):
        told = gather_questions(make_rows(question=asked))
        assert match_questions(told, source) == {"0": source[0]}
    for asked in ("A red sky.", "late.\nWhich?", "ich?", "Which? A. cat"):
        with pytest.raises(ValueError, match="samples are asked something else"):
            match_questions(gather_questions(make_rows(question=asked)), source)


def test_without_ground_truth_the_largest_scale_is_right():
    rows = make_rows(target=None)[::-1]
    judged = judge_rows(rows, gather_questions(rows, "reference"))
    assert [(row["scale"], row["score"]) for row in judged] == [(9, 1.0), (1, 0.0)]
    same = [row | {"answer": "a dog"} for row in rows]
    assert [row["score"] for row in judge_rows(same, gather_questions(same, "reference"))] == [1, 1]


WORDS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12).filter(str.strip)
SOURCES = st.dictionaries(WORDS, WORDS, min_size=1, max_size=8)
PROMPTS = ("{}", "USER: {}\nAnswer in a word.", "  {} ASSISTANT:")


@settings(derandomize=True, deadline=None, max_examples=150)
@given(SOURCES, st.data())
def test_a_table_is_joined_with_its_source_by_sample_id_or_refused(texts, data):
    source = [Question(name, "i", text, ("x",), "exact") for name, text in texts.items()]
    source = data.draw(st.permutations(source))
    logged = data.draw(st.lists(st.sampled_from(sorted(texts)), min_size=1, unique=True))
    prompt = data.draw(st.sampled_from(PROMPTS))
    change = data.draw(st.sampled_from(["nothing", "silent", "unknown", "other"]))
    rows = [
        {
            "sample_id": name,
            "scale": 9,
            "answer": "x",
            "target": "x",
            "question": "" if change == "silent" else prompt.format(texts[name]),
        }
        for name in logged
    ]
    if change == "unknown":
        rows[-1]["sample_id"] = f"{''.join(texts)}?"  # longer than every name
        with pytest.raises(ValueError, match=f"1 of {len(rows)} samples are not in the questions"):
            match_questions(gather_questions(rows), source)
    elif change == "other":
        rows[-1]["question"] = "\u2400"
        source = [replace(one, question=one.question + "!") for one in source]
        with pytest.raises(ValueError, match="samples are asked something else in the questions"):
            match_questions(gather_questions(rows), source)
    else:
        found = match_questions(gather_questions(rows), source)
        assert found == {one.sample_id: one for one in source if one.sample_id in logged}
        assert list(found) == [one.sample_id for one in source if one.sample_id in logged]


def test_row_numbers_alone_do_not_join_a_source_in_another_order():
    def ask(order):
        return [
            Question(str(row), f"hash{image}", "Q", ("x",), "exact")
            for row, image in enumerate(order)
        ]

    told = gather_questions(
        [
            {"sample_id": row, "scale": 9, "answer": "x", "image_id": image}
            for row, image in enumerate(["a", "a", "b"])
        ]
    )
    assert len(match_questions(told, ask("aab"))) == 3
    assert len(match_questions(told, ask("aaa"))) == 3  # one picture under two names
    with pytest.raises(ValueError, match="'0' and '1' are about one image, 'a', but have two in"):
        match_questions(told, ask("baa"))
    # What was asked tells more than a name of an image, which may be that of a whole data set.
    sure = {sample: replace(one, question="q") for sample, one in told.items()}
    assert len(match_questions(sure, ask("baa"))) == 3
