"""What is compared with each other: the router, its baselines, its controls and the limit.

Every contestant is a function from the splits to P(correct) on the calibration and on the test
split, so that all of them are treated alike afterwards. None of them chooses a scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import FloatArray, NameArray, TrainData
from predictor.features.blocks import PICTURE
from predictor.features.feature_map import FeatureMap
from predictor.routers.boosted import BoostedRouter
from predictor.routers.calibration import Calibrator
from predictor.routers.registry import ROUTERS
from predictor.training.train import TrainSettings, train_bundle


@dataclass(frozen=True)
class Splits:
    """The three splits of an experiment; no image is in two of them.

    Attributes:
        train: rows to learn from.
        calibration: rows for calibration and for solving lambda.
        test: rows to report.
    """

    train: TrainData
    calibration: TrainData
    test: TrainData

    def __post_init__(self) -> None:
        """Check that no image of the test split was seen before.

        Raises:
            ValueError: if one was.
        """
        seen = set(map(str, self.train.image_ids)) | set(map(str, self.calibration.image_ids))
        shared = seen & set(map(str, self.test.image_ids))
        if shared:
            raise ValueError(
                f"the test split shares {len(shared)} images with training or calibration (one is "
                f"{min(shared)}); split by image"
            )


@dataclass(frozen=True)
class Estimate:
    """What a contestant believes.

    Attributes:
        calibration: P(correct) on the calibration split [n, s].
        test: P(correct) on the test split [m, s].
        bundle: the trained router, if it is one.
        raw: P(correct) on the test split before calibration, of a router [m, s].
    """

    calibration: FloatArray
    test: FloatArray
    bundle: RouterBundle | None = None
    raw: FloatArray | None = None


Trainer = Callable[[Splits, TrainSettings], Estimate]


QUICK_KINDS = ("constant", "linear", "knn")


ROUTER = "router"
"""Name of the contestant that a report is about."""


def list_zoo(kind: str, every: bool = True) -> list[str]:
    """Name the other kinds of router, the network once for each of its losses.

    Args:
        kind: kind of the router that the report is about.
        every: whether to take every kind, or those alone that train in moments.

    Returns:
        Names; `plan` says what each of them is.
    """
    kinds = (*ROUTERS, "mlp_rank", "mlp_cost") if every else QUICK_KINDS
    return [name for name in kinds if name != kind]


def plan(settings: TrainSettings, name: str) -> TrainSettings:
    """Give what a contestant is trained with.

    Args:
        settings: the router's settings.
        name: one of `list_zoo`, or any other contestant, which has the router's own settings.

    Returns:
        The settings, its kind and loss filled in.
    """
    if name in ROUTERS:
        return replace(settings, kind=name)
    if name in ("mlp_rank", "mlp_cost"):
        return replace(settings, kind="mlp", mlp=replace(settings.mlp, loss=name[4:]))
    return settings


def contestants(splits: Splits, kind: str = "boosted", every: bool = True) -> dict[str, Trainer]:
    """List what is compared.

    Args:
        splits: the data; without metadata there is no omniscient router.
        kind: kind of the router that the report is about.
        every: as in `list_zoo`.

    Returns:
        Name to a function that trains it with the settings of `plan`.
    """
    found: dict[str, Trainer] = {
        **dict.fromkeys((ROUTER, *list_zoo(kind, every)), train_router),
        "question_only": lambda s, t: _train_blocks(s, t, ("question",)),
        "image_only": lambda s, t: _train_blocks(s, t, PICTURE),
        "family_only": _train_family,
        "random_features": _train_random,
        "shuffled_labels": lambda s, t: train_router(_shuffle_labels(s, t.seed), t),
    }
    if splits.test.lengths is not None:
        found["length_only"] = _train_length
    return found if splits.test.meta is None else {**found, "omniscient": _train_omniscient}


def train_router(
    splits: Splits,
    settings: TrainSettings,
    fitted: tuple[FeatureMap, FloatArray] | None = None,
) -> Estimate:
    """Train a router as a user would.

    Args:
        splits: the data.
        settings: what to train.
        fitted: its features, if they are fitted already.

    Returns:
        What it believes.
    """
    bundle = train_bundle(splits.train, splits.calibration, settings, fitted=fitted)
    parts = (splits.calibration, splits.test)
    raw, raw_test = (bundle.predict_raw(part.coarse, part.question, part.extras) for part in parts)
    calibration, test = (bundle.calibrator.transform(found) for found in (raw, raw_test))
    return Estimate(calibration, test, bundle, raw_test)


def _train_blocks(splits: Splits, settings: TrainSettings, blocks: tuple[str, ...]) -> Estimate:
    features = replace(settings.features, blocks=blocks)
    return train_router(splits, replace(settings, features=features))


def _shuffle_labels(splits: Splits, seed: int) -> Splits:
    """Give every row of training and calibration another row's outcomes; the test keeps its own."""
    rng = np.random.default_rng(seed)
    train, calibration = (
        replace(part, scores=part.scores[rng.permutation(len(part))])
        for part in (splits.train, splits.calibration)
    )
    return Splits(train, calibration, splits.test)


def _train_family(splits: Splits, _: TrainSettings) -> Estimate:
    """Know the question's family and nothing else: P(correct) is the family's mean."""
    train, groups = splits.train, np.asarray(splits.train.groups).astype(str)
    overall = train.scores.mean(axis=0)
    means = {name: train.scores[groups == name].mean(axis=0) for name in set(groups.tolist())}
    parts = (splits.calibration, splits.test)
    calibration, test = (
        np.stack([means.get(str(name), overall) for name in part.groups]) for part in parts
    )
    return Estimate(calibration, test)


def _train_omniscient(splits: Splits, settings: TrainSettings) -> Estimate:
    """Know what no router may: the family and the metadata, such as the size of what is asked."""
    names = sorted(set(np.asarray(splits.train.groups).astype(str).tolist()))
    return _train_rows(splits, settings, lambda part: _known(part, names))


def _train_length(splits: Splits, settings: TrainSettings) -> Estimate:
    """Know how long the question is and nothing else."""
    return _train_rows(splits, settings, lambda part: np.log1p(_lengths(part))[:, None])


def _train_random(splits: Splits, settings: TrainSettings) -> Estimate:
    """Know nothing at all: 16 random numbers a question."""
    rng = np.random.default_rng(settings.seed)
    return _train_rows(splits, settings, lambda part: rng.normal(size=(len(part), 16)))


def _train_rows(
    splits: Splits, settings: TrainSettings, describe: Callable[[TrainData], FloatArray]
) -> Estimate:
    """Train the default trees on rows of another kind."""
    parts = (splits.train, splits.calibration, splits.test)
    train, calibration, test = (describe(part) for part in parts)
    boosted = replace(settings.boosted, seed=settings.seed)
    router = BoostedRouter(splits.train.scales, boosted).fit(train, splits.train.scores)
    raw = router.predict_proba(calibration)
    calibrator = Calibrator(splits.train.scales, settings.calibration)
    calibrator.fit(raw, splits.calibration.scores)
    return Estimate(calibrator.transform(raw), calibrator.transform(router.predict_proba(test)))


def _lengths(part: TrainData) -> FloatArray:
    return np.zeros(len(part)) if part.lengths is None else part.lengths


def _known(part: TrainData, families: Sequence[str]) -> FloatArray:
    groups: NameArray = np.asarray(part.groups).astype(str)
    one_hot = (groups[:, None] == np.array(families)[None]).astype(np.float64)
    meta = np.empty((len(part), 0)) if part.meta is None else part.meta
    return np.hstack((one_hot, meta))
