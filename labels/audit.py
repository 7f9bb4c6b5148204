"""Noise in an outcome table: lucky guesses, and answers that change with the batch.

What this is not: a view on whether routing pays (`predictor.routing_metrics.headroom`). This looks
at questions and answers, that only at scores and tokens.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labels.metrics.choice import read_option, right_options
from labels.metrics.registry import score_answer
from labels.oracle import CORRECT
from labels.outcomes.table import OutcomeTable
from labels.questions import LETTERS, UNKNOWN_IMAGE, Question


def guess_rates(questions: Sequence[Question], without_options: float = 0.0) -> NDArray[np.float64]:
    """Give the chance of picking a right option blindly.

    Args:
        questions: the questions [n].
        without_options: the chance where a question has no options: 0 if it is open, NaN if it may
            have some that were not imported.

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


def borrowed_scores(
    table: OutcomeTable, questions: Sequence[Question], draws: int = 32, seed: int = 0
) -> NDArray[np.float64]:
    """Score every question with the answers to another one: what luck alone earns.

    All scales take the answers of the same other question, so answers that agree across scales
    still do. It has the same group and number of options; an option's text becomes its letter.

    Args:
        table: the outcomes.
        questions: the question of each row [n].
        draws: how often the answers are shuffled.
        seed: seed of the shuffling.

    Returns:
        Scores [draws, n, s]; 0 where a group has no other question.
    """
    random = np.random.default_rng(seed)
    score = lru_cache(maxsize=None)(score_answer)  # few different answers, scored many times
    scores = np.zeros((draws, len(questions), len(table.scales)))
    for pool in _pools(questions):
        if len(pool) < 2:
            continue
        for draw in scores:  # [n, s]
            # A cycle through the shuffled pool: every question gives once and receives once.
            receivers = random.permutation(pool)
            # Shifted by one, so that no question gets its own answers.
            for receiver, giver in zip(receivers, np.roll(receivers, 1), strict=True):
                texts = (_name_option(text, questions[giver]) for text in table.answers[giver])
                # `draw` is a view of `scores`: this fills the array that is returned.
                draw[receiver] = [score(text, questions[receiver]).score for text in texts]
    return scores


def flip_rates(first: OutcomeTable, second: OutcomeTable) -> dict[str, list[float] | int]:
    """Compare two runs of the same questions, such as with other batch sizes.

    Args:
        first: outcomes of one run.
        second: outcomes of the other, at the same scales.

    Returns:
        `n` questions in both; per scale the share whose answer changed (`answers`) and whose
        verdict changed between right and wrong (`verdicts`).

    Raises:
        ValueError: if the scales differ or no question is in both.
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
    before = first.scores[ours] >= CORRECT
    after = second.scores[theirs] >= CORRECT
    return {
        "n": len(ours),
        "answers": (first.answers[ours] != second.answers[theirs]).mean(axis=0).tolist(),
        "verdicts": (before != after).mean(axis=0).tolist(),
    }


def _guess_rate(question: Question, without_options: float) -> float:
    if question.choices:
        return len(right_options(question)) / sum(map(bool, question.choices))
    return 0.5 if question.metric == "yes_no" else without_options


def _pools(questions: Sequence[Question]) -> list[list[int]]:
    """Gather the rows of questions that may exchange their answers."""
    pools: dict[tuple[str, int], list[int]] = {}
    for row, question in enumerate(questions):
        pools.setdefault((question.group, len(question.choices)), []).append(row)
    return list(pools.values())


def _name_option(answer: str, question: Question) -> str:
    if not question.choices:
        return answer
    option = read_option(answer, question.choices)
    return "" if option is None else LETTERS[option]
