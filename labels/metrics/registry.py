"""Judges by name: what an answer to a question is worth, between 0 and 1.

What this is not: a place for metrics that need another model. A judge sees one answer and the
question it belongs to, and says besides the score whether the answer could be read at all.
"""

from collections import Counter
from dataclasses import replace

from labels.metrics.anls import judge_anls
from labels.metrics.choice import judge_choice, read_option, right_options
from labels.metrics.mmmu import judge_mmmu
from labels.metrics.pope import judge_yes_no, read_yes_no
from labels.metrics.relaxed_accuracy import judge_relaxed
from labels.metrics.score import Judge, Score, judge_exact
from labels.metrics.vqa import judge_gqa, judge_vqa, judge_vqav2
from labels.questions import LETTERS, REFERENCE, Question

LEAST_VQA_ANSWERS = 4  # each answer is left out once and three more must match for full marks


METRICS: dict[str, Judge] = {
    "exact": judge_exact,
    "vqa": judge_vqa,
    "vqav2": judge_vqav2,
    "gqa": judge_gqa,
    "choice": judge_choice,
    "yes_no": judge_yes_no,
    "relaxed": judge_relaxed,
    "anls": judge_anls,
    "mmmu": judge_mmmu,
    REFERENCE: judge_exact,  # once `settle_reference` has said what is right
}


def judge(answer: str, question: Question) -> Score:
    """Judge an answer with the metric that its question names.

    Args:
        answer: what the model said.
        question: what it was asked.

    Returns:
        The score.
    """
    return METRICS[question.metric](answer, question)


def settle_reference(question: Question, answer: str) -> Question:
    """Make the answer at the largest scale the right one, for data without answers.

    Args:
        question: what was asked.
        answer: what the model said at the largest scale.

    Returns:
        The question as it is unless its metric is `reference`; else one that is judged by that
        answer: by the option it names, or by its text.
    """
    if question.metric != REFERENCE:
        return question
    option = read_option(answer, question.choices)
    if option is None:
        return replace(question, answers=(answer,))
    return replace(question, answers=(LETTERS[option],), metric="choice")


def check_judgeable(question: Question) -> None:
    """Refuse a question whose answers could never be judged.

    Args:
        question: the question to look at.

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
    if question.metric == "choice" and len(question.choices) < 2:
        raise ValueError(f"{sample} has metric choice but fewer than two choices")
    wants_option = question.metric == "choice" or (question.metric == "mmmu" and question.choices)
    if wants_option and not right_options(question):
        raise ValueError(
            f"{sample}: answer {question.answers[0]!r} is neither a letter nor the text of one of "
            f"its {len(question.choices)} choices"
        )


def reference_text(question: Question) -> str:
    """Pick the answer whose loss the rule loss-ranking looks at.

    Args:
        question: the question, its reference settled where it has no answers of its own.

    Returns:
        The letter of the (first) right option; else the answer that most people gave, the first
        one in a tie.
    """
    options = right_options(question) if question.choices else set()
    if options:
        return LETTERS[min(options)]
    return Counter(question.answers).most_common(1)[0][0]
