from dataclasses import replace

import numpy as np
import pytest

from labels.audit import MOST_LOANS, flip_rates, guess_rates, lend_answers, settle_questions
from labels.outcomes.table import OutcomeTable
from labels.questions import LETTERS, Question

CHOICES = ("red", "green", "blue", "white")


def make_table(answers, scores=None):
    answers = np.array(answers, dtype=object)
    n, s = answers.shape
    numbers = np.zeros((n, s))
    names = np.array([f"q{row}" for row in range(n)])
    return OutcomeTable(
        sample_ids=names,
        image_ids=names,
        groups=np.array([""] * n),
        scales=(1, 9, 36)[:s],
        scores=numbers if scores is None else np.array(scores, float),
        parse_ok=numbers == 0,
        visual_tokens=numbers,
        flops=numbers,
        answers=answers,
        mean_logprob=numbers,
        first_margin=numbers,
        wall_ms=numbers,
        meta=[{}] * n,
    )


def ask(name, answers, metric="exact", choices=(), group=""):
    return Question(name, "i", "What?", tuple(answers), metric, tuple(choices), group)


def test_guess_rates():
    questions = [
        ask("a", ["red"], "choice", CHOICES),
        ask("b", ["red", "blue"], "choice", CHOICES),
        ask("c", ["red"]),
        ask("d", ["pink"], "choice", CHOICES),  # nobody knows which is right
        ask("e", ["red"], "choice", ("", "")),
    ]
    assert guess_rates(questions, 0.1).tolist() == [0.25, 0.5, 0.1, 0.1, 0.1]


def test_two_questions_can_only_lend_to_each_other():
    questions = [ask("a", ["yes"]), ask("b", ["no"])]
    table = make_table([["yes", "no"], ["yes", "yes"]])
    # The first is given "yes", "yes"; the second "yes", "no".
    luck = lend_answers(table, questions, draws=2)
    assert luck.scores.tolist() == [[1, 1], [0, 1]]
    assert luck.best.tolist() == [1, 1]


def test_options_are_lent_by_their_letter_and_only_among_equals():
    questions = [
        ask("a", ["red"], "choice", CHOICES),
        ask("b", ["white"], "choice", CHOICES[::-1]),  # the first of its options, too
        ask("c", ["red"], "choice", CHOICES[:2]),
        ask("d", ["red"], "choice", CHOICES, group="other"),
    ]
    table = make_table([["red"], ["D"], ["A"], ["no idea"]])
    # b is given "A" and is right, a is given "D"; c and d have nobody to borrow from.
    assert lend_answers(table, questions, draws=1).scores[:, 0].tolist() == [0, 1, 0, 0]


def test_shuffled_answers_to_four_options_are_right_a_quarter_of_the_time():
    random = np.random.default_rng(0)
    right = random.integers(4, size=300)
    questions = [ask(f"q{k}", [LETTERS[k]], "choice", CHOICES) for k in right]
    questions = [replace(q, sample_id=f"q{row}") for row, q in enumerate(questions)]
    table = make_table([[LETTERS[k]] * 2 for k in right])  # all right, not by luck
    luck = lend_answers(table, questions)
    assert luck.scores.mean() == pytest.approx(0.25, abs=0.02)
    assert (luck.best == luck.scores.T).all()  # the scales agree


@pytest.mark.parametrize(
    ("said", "answers", "metric", "choices", "rate"),
    [
        ("AB", ([], []), "reference", ("cat", "dog"), 0.5),
        ("AB", (["cat"], ["dog"]), "exact", ("cat", "dog"), 0.5),
        (("Yes", "No"), ([], []), "reference", (), 0),
    ],
)
def test_luck_needs_no_ground_truth_and_no_metric_of_options(said, answers, metric, choices, rate):
    table = make_table([[said[row % 2]] for row in range(20)], np.ones((20, 1)))
    questions = [ask(f"q{row}", answers[row % 2], metric, choices) for row in range(20)]
    ready = settle_questions(table, questions)
    # Of the 19 others, 9 were given the same answer, which is right.
    assert lend_answers(table, ready, draws=2000).best.mean() == pytest.approx(9 / 19, abs=0.02)
    assert guess_rates(ready).tolist() == [rate] * 20


def test_luck_is_unknown_where_the_largest_scale_is_denied_and_no_answer_is_known():
    questions = [ask(name, [], "reference", CHOICES) for name in "abc"]
    ready = settle_questions(make_table([["A"]] * 3, [[1], [0], [1]]), questions)
    luck = lend_answers(make_table([["A"]] * 3), ready)
    assert luck.best.tolist() == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert guess_rates(ready, np.nan).tolist() == pytest.approx([0.25, np.nan, 0.25], nan_ok=True)


def test_large_groups_are_shuffled_less_often(monkeypatch):
    scored = []
    monkeypatch.setattr(
        "labels.audit._score_texts",
        lambda texts, _: scored.append(texts.shape) or np.zeros(texts.shape),
    )
    sizes = {"large": 40, "small": 2}
    questions = [ask(f"{g}{k}", ["x"], group=g) for g, size in sizes.items() for k in range(size)]
    monkeypatch.setattr("labels.audit.MOST_LOANS", 400)
    lend_answers(make_table([["x", "y"]] * 42), questions)
    assert scored == [(10, 2)] * 40 + [(32, 2)] * 2
    assert MOST_LOANS >= 32 * 1000


def test_flips_count_changed_answers_and_verdicts():
    first = make_table([["a", "b"], ["c", "d"]], [[1, 0], [0, 1]])
    second = make_table([["a", "x"], ["c", "y"]], [[1, 0], [0, 0]])
    flips = flip_rates(first, second)
    assert flips == {"n": 2, "answers": [0, 1], "verdicts": [0, 0.5]}
    names = second.sample_ids[::-1]
    swapped = replace(second, sample_ids=names, image_ids=names)
    assert flip_rates(first, swapped)["answers"] == [1, 1]


def test_flips_refuse_other_runs():
    first = make_table([["a", "b"]])
    with pytest.raises(ValueError, match=r"the same scales, got \(1, 9\) and \(1,\)"):
        flip_rates(first, make_table([["a"]]))
    with pytest.raises(ValueError, match="share no question"):
        flip_rates(first, replace(first, sample_ids=np.array(["other"])))


def test_flips_refuse_another_data_set_with_the_same_row_numbers():
    first, second = make_table([["a"], ["b"]]), make_table([["c"], ["d"]])
    other = replace(second, image_ids=np.array(["q0", "x"]))
    with pytest.raises(ValueError, match="1 of 2 questions .* other images, such as sample 'q1'"):
        flip_rates(first, other)
    # An import knows images by names of its own, a label folder by their content.
    hashed = replace(first, image_ids=np.array(["0123456789abcdef", "fedcba9876543210"]))
    assert flip_rates(hashed, second)["n"] == 2
    with pytest.raises(ValueError, match="2 of 2 questions"):
        flip_rates(hashed, replace(hashed, image_ids=hashed.image_ids[::-1]))
    # An import that does not know its images may still be compared.
    unknown = replace(second, image_ids=np.array(["q0", "unknown:q1"]))
    assert flip_rates(first, unknown)["n"] == 2
