"""The methods that are compared: the router, its baselines, its controls and the limit.

Every method is a function from the splits to P(correct) on the calibration and on the test split,
so that all of them are treated alike afterwards. None of them chooses a scale.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import FloatArray, TrainData
from predictor.evaluation.limit import predict_limit
from predictor.evaluation.runs import Splits
from predictor.features.blocks import PICTURE
from predictor.features.feature_map import FeatureMap
from predictor.routers.boosted import BoostedRouter
from predictor.routers.calibration import Calibrator
from predictor.routers.registry import ROUTERS
from predictor.training.train import TrainSettings, train_bundle


@dataclass(frozen=True)
class Estimate:
    """What a method estimates.

    Attributes:
        calibration: P(correct) on the calibration split [n, s].
        test: P(correct) on the test split [m, s].
        bundle: the trained router, if the method is one.
        raw: P(correct) on the test split before calibration, of a router [m, s].
    """

    calibration: FloatArray
    test: FloatArray
    bundle: RouterBundle | None = None
    raw: FloatArray | None = None


Trainer = Callable[[Splits, TrainSettings], Estimate]

FittedFeatures = tuple[FeatureMap, FloatArray]
"""A fitted feature map, and its rows of the training split [n, d]."""

QUICK_KINDS = ("constant", "linear", "knn")

# The network is compared once more for each of its other losses: name of the method to the loss.
OTHER_LOSSES = {"mlp_rank": "rank", "mlp_cost": "cost"}

ROUTER = "router"
"""Name of the method that a report is about."""

LIMIT = "omniscient"
"""Name of the method that knows what no router may."""


def list_kinds(kind: str, every: bool = True) -> list[str]:
    """Name the other kinds of router, the network once for each of its losses.

    Args:
        kind: kind of the router that the report is about.
        every: whether to take every kind, or only those that train within seconds.
    """
    kinds = (*ROUTERS, *OTHER_LOSSES) if every else QUICK_KINDS
    return [name for name in kinds if name != kind]


def method_settings(settings: TrainSettings, name: str) -> TrainSettings:
    """Fill the kind of router, and its loss, into the settings that a method is trained with.

    Args:
        settings: the router's settings.
        name: one of `list_kinds`, or any other method, which keeps the router's own settings.
    """
    if name in ROUTERS:
        return replace(settings, kind=name)
    if name in OTHER_LOSSES:
        return replace(settings, kind="mlp", mlp=replace(settings.mlp, loss=OTHER_LOSSES[name]))
    return settings


def list_methods(splits: Splits, kind: str = "boosted", every: bool = True) -> dict[str, Trainer]:
    """List the methods to compare.

    Args:
        splits: the data; without metadata there is no omniscient router, without lengths no
            router on the length of the question.
        kind: kind of the router that the report is about.
        every: as in `list_kinds`.

    Returns:
        Name to a function that trains the method, given its `method_settings`.
    """
    methods: dict[str, Trainer] = dict.fromkeys((ROUTER, *list_kinds(kind, every)), train_router)
    # Routers that see less than ours: what each input is worth.
    methods["question_only"] = lambda s, t: _train_on_blocks(s, t, ("question",))
    methods["image_only"] = lambda s, t: _train_on_blocks(s, t, PICTURE)
    methods["family_only"] = _train_on_family
    # Controls that know nothing and must close no gap.
    methods["random_features"] = _train_on_noise
    methods["shuffled_labels"] = lambda s, t: train_router(_shuffle_labels(s, t.seed), t)
    # No control: how long a question is may tell what it needs.
    if splits.test.lengths is not None:
        methods["length_only"] = _train_on_length
    # The limit: it knows what no router may.
    if splits.test.meta is not None:
        methods[LIMIT] = lambda s, t: Estimate(*predict_limit(s, t))
    return methods


def train_router(
    splits: Splits,
    settings: TrainSettings,
    fitted: FittedFeatures | None = None,
) -> Estimate:
    """Train a router as a user would.

    Args:
        splits: the data.
        settings: what to train.
        fitted: the fitted feature map and its rows of the training split, if there are any yet.
    """
    bundle = train_bundle(splits.train, splits.calibration, settings, fitted=fitted)
    raw, raw_test = (
        bundle.predict_raw(split.coarse, split.question, split.extras)
        for split in (splits.calibration, splits.test)
    )
    transform = bundle.calibrator.transform
    return Estimate(transform(raw), transform(raw_test), bundle, raw_test)


def _train_on_blocks(splits: Splits, settings: TrainSettings, blocks: tuple[str, ...]) -> Estimate:
    features = replace(settings.features, blocks=blocks)
    return train_router(splits, replace(settings, features=features))


def _shuffle_labels(splits: Splits, seed: int) -> Splits:
    """Give every row of training and calibration another row's outcomes; the test keeps its own."""
    rng = np.random.default_rng(seed)
    train, calibration = (
        # Within each split, so that every scale keeps its accuracy there.
        replace(split, scores=split.scores[rng.permutation(len(split))], repeats=None)
        for split in (splits.train, splits.calibration)
    )
    return Splits(train, calibration, splits.test)


def _train_on_family(splits: Splits, _: TrainSettings) -> Estimate:
    """Know the question's family and nothing else: P(correct) is the family's mean."""
    train = splits.train
    groups = np.asarray(train.groups).astype(str)
    means = {name: train.scores[groups == name].mean(axis=0) for name in set(groups.tolist())}
    overall = train.scores.mean(axis=0)  # [s], for a family that training does not have
    calibration, test = (
        np.stack([means.get(str(name), overall) for name in split.groups])  # [n, s]
        for split in (splits.calibration, splits.test)
    )
    return Estimate(calibration, test)


def _train_on_length(splits: Splits, settings: TrainSettings) -> Estimate:
    """Know how long the question is and nothing else."""
    return _train_on_rows(splits, settings, lambda split: np.log1p(_lengths(split))[:, None])


def _train_on_noise(splits: Splits, settings: TrainSettings) -> Estimate:
    """Know nothing at all: 16 random numbers per question."""
    rng = np.random.default_rng(settings.seed)
    return _train_on_rows(splits, settings, lambda split: rng.normal(size=(len(split), 16)))


def _train_on_rows(
    splits: Splits, settings: TrainSettings, make_rows: Callable[[TrainData], FloatArray]
) -> Estimate:
    """Train the default trees on features [n, d] that are not those of a router."""
    train, calibration, test = (make_rows(split) for split in splits.in_order)  # [n, width] each
    boosted = replace(settings.boosted, seed=settings.seed)
    router = BoostedRouter(splits.train.scales, boosted).fit(train, splits.train.scores)
    raw = router.predict_proba(calibration)
    calibrator = Calibrator(splits.train.scales, settings.calibration)
    calibrator.fit(raw, splits.calibration.scores)
    return Estimate(calibrator.transform(raw), calibrator.transform(router.predict_proba(test)))


def _lengths(split: TrainData) -> FloatArray:
    return np.zeros(len(split)) if split.lengths is None else split.lengths
