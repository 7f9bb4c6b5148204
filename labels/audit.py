"""What an outcome table owes to its judge, to luck and to the batch it ran in.

What this is not: a view on whether routing pays (`predictor.routing_metrics.headroom`); here
questions and answers are looked at, there only scores and tokens.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labels.metrics.choice import read_option, right_options
from labels.metrics.registry import judge
from labels.oracle import CORRECT
from labels.outcomes.table import OutcomeTable
from labels.questions import LETTERS, Question


def guess_rates(questions: Sequence[Question]) -> NDArray[np.float64]:
    """Give the chance of picking a right option blindly.

    Args:
        questions: the questions [n].

    Returns:
        Right options by options [n]; 1/2 for yes or no, 0 for an open question.
    """
    return np.array([_guess_rate(question) for question in questions])


def borrowed_scores(
    table: OutcomeTable, questions: Sequence[Question], draws: int = 32, seed: int = 0
) -> NDArray[np.float64]:
    """Judge every question by the answers to another one: what answers earn without being asked.

    All scales borrow from the same question, so answers that agree across scales still do. A
    lender has the same group and number of options; an option's text is lent as its letter.

    Args:
        table: the outcomes.
        questions: the question of each row [n].
        draws: how often each question borrows.
        seed: seed of who borrows from whom.

    Returns:
        Scores [draws, n, s]; 0 where a group has no other question.
    """
    random, score = np.random.default_rng(seed), lru_cache(maxsize=None)(judge)
    scores = np.zeros((draws, len(questions), len(table.scales)))
    for pool in _pools(questions):
        for draw in scores if len(pool) > 1 else ():
            borrowers = random.permutation(pool)
            for borrower, lender in zip(borrowers, np.roll(borrowers, 1), strict=True):
                lent = (_lend(text, questions[lender]) for text in table.answers[lender])
                draw[borrower] = [score(text, questions[borrower]).score for text in lent]
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
    _, ours, theirs = np.intersect1d(first.sample_ids, second.sample_ids, return_indices=True)
    if not len(ours):
        raise ValueError("the two runs share no question; label the same source again")
    right = first.scores[ours] >= CORRECT, second.scores[theirs] >= CORRECT
    return {
        "n": len(ours),
        "answers": (first.answers[ours] != second.answers[theirs]).mean(axis=0).tolist(),
        "verdicts": (right[0] != right[1]).mean(axis=0).tolist(),
    }


def _guess_rate(question: Question) -> float:
    if question.choices:
        return len(right_options(question)) / len(question.choices)
    return 0.5 if question.metric == "yes_no" else 0.0


def _pools(questions: Sequence[Question]) -> list[list[int]]:
    pools: dict[tuple[str, int], list[int]] = {}
    for row, question in enumerate(questions):
        pools.setdefault((question.group, len(question.choices)), []).append(row)
    return list(pools.values())


def _lend(answer: str, question: Question) -> str:
    if not question.choices:
        return answer
    option = read_option(answer, question.choices)
    return "" if option is None else LETTERS[option]
