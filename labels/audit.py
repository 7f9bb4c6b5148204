"""Noise in an outcome table: lucky guesses, and answers that change with the batch.

What this is not: a view on whether routing pays (`predictor.routing_metrics.headroom`). This looks
at questions and answers, that only at scores and tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labels.metrics.choice import read_option, right_options
from labels.metrics.registry import score_answer, settle_reference
from labels.oracle import CORRECT
from labels.outcomes.table import OutcomeTable
from labels.questions import LETTERS, UNKNOWN_IMAGE, Question, is_fingerprint

MOST_LOANS = 32_000
"""Answers at each scale that questions of a group and number of options are given in all: the
standard error of their luck is then some 0.003, and a large table takes no longer than it must."""


def guess_rates(questions: Sequence[Question], without_options: float = 0.0) -> NDArray[np.float64]:
    """Give the chance of picking a right option blindly.

    Args:
        questions: the questions [n], see `settle_questions`.
        without_options: the chance where a question has no options, or nobody knows which is right:
            0 if it is open, NaN if it may have some that were not imported.

    Returns:
        Right options by options [n]; 1/2 for yes or no.
    """
    return np.array([_guess_rate(question, without_options) for question in questions])


def note_unknown_images(image_ids: Sequence[str] | NDArray[np.str_]) -> str:
    """Say what it costs that an imported table does not know the images of its samples.

    Args:
        image_ids: image of each sample [n].

    Returns:
        A sentence; empty if all images are known.
    """
    count = sum(str(image_id).startswith(UNKNOWN_IMAGE) for image_id in image_ids)
    if not count:
        return ""
    return (
        f"Image unknown for {count} of {len(image_ids)} questions: each counts as an image of its "
        "own, so if questions share images, intervals are too narrow and splits may share an image."
    )


def settle_questions(table: OutcomeTable, questions: Sequence[Question]) -> list[Question]:
    """Say what is right without ground truth, and take a metric that reads letters for options.

    Args:
        table: the outcomes.
        questions: the question of each row [n].

    Returns:
        The questions [n], ready for `guess_rates` and `lend_answers`. What is right is what the
        largest scale said, unless an imported verdict denies it: then nobody knows.
    """
    denied = table.parse_ok[:, -1] & (table.scores[:, -1] < CORRECT)  # [n]
    settled = []
    for question, answer, is_wrong in zip(questions, table.answers[:, -1], denied, strict=True):
        known = question if is_wrong else settle_reference(question, answer)
        settled.append(replace(known, metric="choice") if right_options(known) else known)
    return settled


@dataclass(frozen=True)
class Luck:
    """What questions score with the answers to others, on average over draws.

    Where a group has no other question they are 0, and NaN where nobody knows what is right.

    Attributes:
        scores: at each scale [n, s].
        best: at the scale that does best in the draw [n].
    """

    scores: NDArray[np.float64]
    best: NDArray[np.float64]


def lend_answers(
    table: OutcomeTable, questions: Sequence[Question], draws: int = 32, seed: int = 0
) -> Luck:
    """Score every question with the answers to another one: what luck alone earns.

    All scales take the answers of the same other question, so answers that agree across scales
    still do. It has the same group and number of options; an option's text becomes its letter.

    Args:
        table: the outcomes.
        questions: the question of each row [n], see `settle_questions`.
        draws: how often the answers are shuffled, at most: `MOST_LOANS` are enough.
        seed: seed of the shuffling.

    Returns:
        What luck scores.
    """
    random = np.random.default_rng(seed)
    luck = Luck(np.zeros(table.scores.shape), np.zeros(len(questions)))
    lent = _name_options(table, questions)  # [n, s]
    for pool in map(np.array, _pools(questions)):
        if len(pool) < 2:
            continue
        enough = min(draws, math.ceil(MOST_LOANS / len(pool)))
        for receiver, givers in zip(pool, _draw_givers(len(pool), enough, random), strict=True):
            scores = _score_texts(lent[pool[givers]], questions[receiver])  # [draws, s]
            luck.scores[receiver] = scores.mean(axis=0)
            luck.best[receiver] = scores.max(axis=1).mean()
    return luck


def flip_rates(first: OutcomeTable, second: OutcomeTable) -> dict[str, list[float] | int]:
    """Compare two runs of the same questions, such as with other batch sizes.

    Args:
        first: outcomes of one run.
        second: outcomes of the other, at the same scales.

    Returns:
        `n` questions in both; per scale the share whose answer changed (`answers`) and whose
        verdict changed between right and wrong (`verdicts`).

    Raises:
        ValueError: if the scales differ, no question is in both, or those with the same sample id
            are about other images.
    """
    if first.scales != second.scales:
        raise ValueError(
            f"expected two runs at the same scales, got {first.scales} and {second.scales}"
        )
    # Rows of both tables that have the same questions.
    # Sample ids are unique within a table, as `intersect1d` would drop repeated ones.
    _, ours, theirs = np.intersect1d(first.sample_ids, second.sample_ids, return_indices=True)
    if not len(ours):
        raise ValueError("the two runs share no question; label the same source again")
    _check_same_images(first.sample_ids[ours], first.image_ids[ours], second.image_ids[theirs])
    before = first.scores[ours] >= CORRECT
    after = second.scores[theirs] >= CORRECT
    return {
        "n": len(ours),
        "answers": (first.answers[ours] != second.answers[theirs]).mean(axis=0).tolist(),
        "verdicts": (before != after).mean(axis=0).tolist(),
    }


def _check_same_images(
    samples: NDArray[np.str_], before: NDArray[np.str_], after: NDArray[np.str_]
) -> None:
    """Refuse questions that have the numbers of their rows alone in common.

    Raises:
        ValueError: if a sample has two images, both of them known.
    """
    known = ~(np.char.startswith(before, UNKNOWN_IMAGE) | np.char.startswith(after, UNKNOWN_IMAGE))
    # An import knows an image by its name in the log, a label folder by its content.
    alike = np.array(
        [is_fingerprint(a) == is_fingerprint(b) for a, b in zip(before, after, strict=True)]
    )
    others = samples[known & alike & (before != after)]
    if len(others):
        raise ValueError(
            f"{len(others)} of {len(samples)} questions of the two runs are about other images, "
            f"such as sample {str(others[0])!r}; label the same source again"
        )


def _guess_rate(question: Question, without_options: float) -> float:
    if right := right_options(question):
        return len(right) / sum(map(bool, question.choices))
    return 0.5 if question.metric == "yes_no" else without_options


def _pools(questions: Sequence[Question]) -> list[list[int]]:
    """Gather the rows of questions that may exchange their answers."""
    pools: dict[tuple[str, int], list[int]] = {}
    for row, question in enumerate(questions):
        pools.setdefault((question.group, len(question.choices)), []).append(row)
    return list(pools.values())


def _draw_givers(n: int, draws: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw whose answers each of `n` questions is given, in every draw [n, draws]."""
    # A cycle through all in a new order: every question gives once, and never to itself.
    cycles = [random.permutation(n) for _ in range(draws)]
    return np.stack([np.roll(cycle, 1)[np.argsort(cycle)] for cycle in cycles], axis=1)


def _score_texts(texts: NDArray[np.object_], question: Question) -> NDArray[np.float64]:
    """Score texts as answers to one question; NaN where nobody knows what is right [draws, s]."""
    if not question.answers:
        return np.full(texts.shape, np.nan)
    # Few of them differ, and each is scored once.
    scores = {text: score_answer(text, question).score for text in set(texts.ravel().tolist())}
    return np.array([[scores[text] for text in draw] for draw in texts])


def _name_options(table: OutcomeTable, questions: Sequence[Question]) -> NDArray[np.object_]:
    """Name the option of each answer, or keep what answers a question without options [n, s]."""
    rows = zip(table.answers, questions, strict=True)
    named = [[_name_option(text, question) for text in answers] for answers, question in rows]
    return np.array(named, dtype=object)


def _name_option(answer: str, question: Question) -> str:
    if not question.choices:
        return answer
    option = read_option(answer, question.choices)
    return "" if option is None else LETTERS[option]
