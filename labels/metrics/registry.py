"""Metrics by name: what an answer to a question scores, between 0 and 1.

What this is not: a place for metrics that need another model. A metric sees one answer and the
question it belongs to; besides the score it tells whether the answer could be read at all.
"""

from collections import Counter
from dataclasses import replace

from labels.metrics.anls import score_anls
from labels.metrics.choice import read_option, right_options, score_choice
from labels.metrics.mmmu import score_mmmu
from labels.metrics.pope import read_yes_no, score_yes_no
from labels.metrics.relaxed_accuracy import score_relaxed
from labels.metrics.score import Metric, Score, score_exact
from labels.metrics.vqa import score_gqa, score_vqa, score_vqav2
from labels.questions import LETTERS, REFERENCE, Question

LEAST_VQA_ANSWERS = 4  # each answer is left out once and three more must match for full marks

METRICS: dict[str, Metric] = {
    "exact": score_exact,
    "vqa": score_vqa,
    "vqav2": score_vqav2,
    "gqa": score_gqa,
    "choice": score_choice,
    "yes_no": score_yes_no,
    "relaxed": score_relaxed,
    "anls": score_anls,
    "mmmu": score_mmmu,
    REFERENCE: score_exact,  # once `settle_reference` has said what is right
}


def score_answer(answer: str, question: Question) -> Score:
    """Score an answer by the metric that its question names.

    >>> what = Question("q1", "i1", "What colour is it?", ("red", "dark red"), "exact")
    >>> score_answer("Dark red.", what)
    Score(score=1.0, parse_ok=True)
    """
    return METRICS[question.metric](answer, question)


def settle_reference(question: Question, answer: str) -> Question:
    """Make the answer at the largest scale the right one, for data without answers.

    Args:
        question: what was asked.
        answer: what the model said at the largest scale.

    Returns:
        The question as it is unless its metric is `reference`; else one whose right answer is the
        option that `answer` names, or its text.
    """
    if question.metric != REFERENCE:
        return question
    option = read_option(answer, question.choices)
    if option is None:
        return replace(question, answers=(answer,))
    return replace(question, answers=(LETTERS[option],), metric="choice", right=(option,))


def list_closing(question: Question) -> tuple[str, ...]:
    """List the words that settle a question as soon as an answer begins with one.

    Returns:
        Yes and No; or the letters of the options, except a letter that some option's text begins
        with, since it may be the beginning of that text; nothing for an open question.
    """
    if question.metric == "yes_no":
        return ("Yes", "No")
    beginnings = {choice.strip()[:1] for choice in question.choices}
    options = zip(LETTERS, question.choices, strict=False)
    return tuple(letter for letter, text in options if text and letter not in beginnings)


def check_scorable(question: Question) -> None:
    """Refuse a question whose answers could never be scored.

    Raises:
        ValueError: if the metric is unknown, or the answers do not fit it.
    """
    sample = f"sample {question.sample_id!r}"
    if question.metric not in METRICS:
        known = ", ".join(METRICS)
        raise ValueError(f"{sample} has the unknown metric {question.metric!r}; known: {known}")
    if question.metric in ("vqa", "vqav2") and len(question.answers) < LEAST_VQA_ANSWERS:
        raise ValueError(
            f"{sample} has {len(question.answers)} answer(s), but metric {question.metric} wants "
            f"the ten of its people (at least {LEAST_VQA_ANSWERS}); use metric exact for a single "
            "answer"
        )
    if question.metric == "yes_no" and read_yes_no(question.answers[0]) is None:
        raise ValueError(
            f"{sample} has metric yes_no but the answer {question.answers[0]!r}; expected yes or no"
        )
    _check_options(question, sample)


def _check_options(question: Question, sample: str) -> None:
    if question.metric == "choice" and sum(map(bool, question.choices)) < 2:
        raise ValueError(f"{sample} has metric choice but fewer than two choices")
    wants_option = question.metric == "choice" or (question.metric == "mmmu" and question.choices)
    if wants_option and not right_options(question):
        raise ValueError(
            f"{sample}: answer {question.answers[0]!r} is neither a letter nor the text of one of "
            f"its {len(question.choices)} choices"
        )


def reference_text(question: Question) -> str:
    """Pick the answer whose negative log-likelihood the rule loss-ranking looks at.

    Returns:
        The letter of the (first) right option; else the answer that most people gave, the first
        one in a tie.
    """
    options = right_options(question) if question.choices else set()
    if options:
        return LETTERS[min(options)]
    return Counter(question.answers).most_common(1)[0][0]
