"""A router trained and used on one table, so that it has not seen the images that it routes.

What it gains over mixing fixed scales is what features are good for on this table: the audit asks
this before anything is set aside for a test. No figure of a report comes from here.
"""

import numpy as np

from predictor.data import FloatArray, IntArray, TrainData, image_folds
from predictor.policy.budgets import choose, operating_table
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
    fold = image_folds(data.clusters, folds, np.random.default_rng(settings.seed))
    probabilities = np.empty(data.scores.shape)
    for held in range(folds):
        out = np.flatnonzero(fold == held)
        bundle = train_bundle(data.take(np.flatnonzero(fold != held)), None, settings)
        unseen = data.take(out)
        probabilities[out] = bundle.predict_proba(unseen.coarse, unseen.question, unseen.extras)
    return probabilities


def choose_for_gain(probabilities: FloatArray, tokens: FloatArray) -> IntArray:
    """Choose a scale for every question, at the lambda that promises most over fixed scales.

    What is promised is by the probabilities themselves, so that no outcome has a say in what is
    then scored on it; nor are the costs of the choices spread, as those of a lambda per fold are.

    Args:
        probabilities: P(correct) [n, s].
        tokens: visual tokens [n, s].

    Returns:
        Index of the chosen scale [n].
    """
    table = operating_table(probabilities, tokens, probabilities, POINTS)
    hull = hull_at(*fixed_points(probabilities, tokens), np.array(table.costs))
    best = int((np.array(table.accuracies) - hull).argmax())
    return choose(probabilities, tokens, table.lambdas[best])
