"""Rows of the report's gallery: a few test questions with every scale's answer.

The questions are drawn at random, family by family, never picked by how well they look.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from m3_backbone.serialization import short_hash
from predictor.data import FloatArray, IntArray, NameArray, Results, TrainData
from predictor.policy.prices import Price


@dataclass(frozen=True)
class GalleryTexts:
    """The words that belong to the rows of a test split.

    Attributes:
        questions: the questions [n].
        references: accepted answers of each question [n].
        answers: what the model answered at each scale [n, s], text.
    """

    questions: Sequence[str]
    references: Sequence[Sequence[str]]
    answers: NameArray


def draw_rows(test: TrainData, per_family: int = 1, seed: int = 0) -> IntArray:
    """Draw questions for the gallery, as many from every family, no image twice if possible.

    Returns:
        Row numbers, family by family in alphabetical order.
    """
    order = np.random.default_rng(seed).permutation(len(test))
    groups = np.asarray(test.groups).astype(str)
    images = test.clusters
    used: set[str] = set()
    rows: list[int] = []
    for family in sorted(set(groups.tolist())):
        of_family = [int(row) for row in order if groups[row] == family]
        # Stable sort: rows whose image is used already go last, the draw's order stays.
        of_family.sort(key=lambda row: images[row] in used)
        rows.extend(of_family[:per_family])
        used.update(images[of_family[:per_family]].tolist())
    return np.array(rows, dtype=np.int64)


def gallery_rows(
    test: TrainData,
    texts: GalleryTexts,
    probabilities: FloatArray,
    price: Price,
    rows: IntArray,
) -> list[Results]:
    """Make the `gallery` section of results.json, one dictionary per question.

    Args:
        test: the test split.
        texts: its words.
        probabilities: the router's P(correct) [n, s].
        price: what the scales are chosen with, in visual tokens.
        rows: numbers of the questions to show.

    Raises:
        ValueError: if the words do not fit the split.
    """
    shape = (len(test), len(test.scales))
    if np.shape(texts.answers) != shape or len(texts.questions) != len(test):
        raise ValueError(f"expected answers of shape {shape}, got {np.shape(texts.answers)}")
    net = probabilities - price.lam * test.tokens  # [n, s], what the choice goes by
    chosen = price.choose(probabilities, test.tokens)  # [n]
    return [
        {
            "sample_id": str(test.sample_ids[row]),
            "family": str(test.groups[row]),
            "question": texts.questions[row],
            "answers": list(texts.references[row]),
            "image": f"gallery/{file_name(str(test.sample_ids[row]))}",  # in the report's folder
            "scales": {
                str(scale): {
                    "answer": texts.answers[row, k],
                    "score": test.scores[row, k],
                    "probability": probabilities[row, k],
                    "net": net[row, k],
                    "pays": price.paying is None or k < price.paying,
                }
                for k, scale in enumerate(test.scales)
            },
            "chosen": test.scales[chosen[row]],
        }
        for row in rows.tolist()
    ]


def file_name(sample_id: str) -> str:
    """Turn any sample id into a file name of its own: letters, digits, `_`, `-` and one `.png`.

    >>> file_name("test-00012_3"), file_name("../photo 7")
    ('test-00012_3.png', '___photo_7-1e7314fb.png')
    """
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", sample_id)[:48]
    if safe == sample_id:
        return f"{safe}.png"
    # Two ids may become the same safe name: what was changed gets a few digits of its hash.
    return f"{safe}-{short_hash(sample_id)[:8]}.png"
