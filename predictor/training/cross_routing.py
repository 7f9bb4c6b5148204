"""A router trained and used on one table, so that it has not seen the images that it routes.

What it gains over mixing fixed scales is what features are good for on this table: the audit asks
this before anything is set aside for a test. No figure of a report comes from here.
"""

import numpy as np

from predictor.data import FloatArray, IntArray, NameArray, TrainData, image_folds
from predictor.policy.budgets import OperatingTable, choose, operating_table
from predictor.routing_metrics.gap import fixed_points, hull_at
from predictor.training.train import TrainSettings, train_bundle

FOLDS = 5

POINTS = 100
"""Operating points among which the one with the most gain is looked for."""


def cross_predict(
    data: TrainData, settings: TrainSettings | None = None, folds: int = FOLDS
) -> FloatArray:
    """Predict every question by a router that is trained on other images.

    Args:
        data: the table, with features.
        settings: what to train; the defaults if left out.
        folds: image folds; a training for each.

    Returns:
        Calibrated P(correct) [n, s].
    """
    settings = settings or TrainSettings()
    fold = image_folds(data.image_ids, folds, np.random.default_rng(settings.seed))
    probabilities = np.empty(data.scores.shape)
    for held in range(folds):
        out = np.flatnonzero(fold == held)
        bundle = train_bundle(data.take(np.flatnonzero(fold != held)), None, settings)
        unseen = data.take(out)
        probabilities[out] = bundle.predict_proba(unseen.coarse, unseen.question, unseen.extras)
    return probabilities


def choose_for_gain(
    probabilities: FloatArray,
    scores: FloatArray,
    tokens: FloatArray,
    image_ids: NameArray,
    folds: int = FOLDS,
) -> IntArray:
    """Choose a scale for every question, at the lambda that gains most on other images.

    Args:
        probabilities: P(correct), predicted without the question's image [n, s].
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        image_ids: image of each question [n].
        folds: image folds, fewer where there are fewer images.

    Returns:
        Index of the chosen scale [n].

    Raises:
        ValueError: if there are fewer than two images.
    """
    count = min(folds, len(np.unique(np.asarray(image_ids).astype(str))))
    if count < 2:
        raise ValueError(f"choosing on other images needs at least 2 images, got {count}")
    fold = image_folds(image_ids, count, np.random.default_rng(0))
    chosen: IntArray = np.empty(len(scores), np.int64)
    for held in range(count):
        out, rest = fold == held, fold != held
        table = operating_table(probabilities[rest], tokens[rest], scores[rest], POINTS)
        lam = most_gaining(table, scores[rest], tokens[rest])
        chosen[out] = choose(probabilities[out], tokens[out], lam)
    return chosen


def most_gaining(table: OperatingTable, scores: FloatArray, tokens: FloatArray) -> float:
    """Find the lambda at which choices gain most over mixing fixed scales.

    Args:
        table: what each lambda did on a split.
        scores: the split's scores [n, s].
        tokens: its visual tokens [n, s].

    Returns:
        Lambda, the largest of equals.
    """
    gains = table.accuracies - hull_at(*fixed_points(scores, tokens), np.array(table.costs))
    return table.lambdas[int(gains.argmax())]
