"""Judges by name: what an answer to a question is worth, between 0 and 1.

What this is not: a place for metrics that need another model. A judge sees one answer and the
question it belongs to, and says besides the score whether the answer could be read at all.
"""

from labels.choice import judge_choice, right_options
from labels.numbers import judge_relaxed
from labels.questions import Question
from labels.score import Judge, Score, judge_exact
from labels.vqa import judge_vqa

LEAST_VQA_ANSWERS = 4  # each answer is left out once and three more must match for full marks

METRICS: dict[str, Judge] = {
    "exact": judge_exact,
    "vqa": judge_vqa,
    "choice": judge_choice,
    "relaxed": judge_relaxed,
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
    if question.metric == "vqa" and len(question.answers) < LEAST_VQA_ANSWERS:
        raise ValueError(
            f"{sample} has {len(question.answers)} answer(s), but metric vqa wants the ten of its "
            f"people (at least {LEAST_VQA_ANSWERS}); use metric exact for a single answer"
        )
    if question.metric == "choice" and len(question.choices) < 2:
        raise ValueError(f"{sample} has metric choice but fewer than two choices")
    if question.metric == "choice" and not right_options(question):
        raise ValueError(
            f"{sample}: answer {question.answers[0]!r} is neither a letter nor the text of one of "
            f"its {len(question.choices)} choices"
        )
