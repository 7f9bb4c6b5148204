"""From outcome splits to a router: features, estimator, calibration, operating table.

Not an experiment: it uses no test split and reports no metric.
"""

import logging
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import FloatArray, TrainData, split_by_image
from predictor.features.blocks import FeatureSettings
from predictor.features.feature_map import FeatureMap
from predictor.features.outliers import DensityGate, DensitySettings
from predictor.policy.budgets import operating_table
from predictor.policy.candidates import list_candidates
from predictor.policy.certificates import certify, check_size
from predictor.policy.claims import Claim, count_most
from predictor.policy.prices import list_prices
from predictor.policy.shares import share_budgets
from predictor.policy.support import count_paying
from predictor.routers.base import Router
from predictor.routers.blend import BlendRouter
from predictor.routers.boosted import BoostedSettings
from predictor.routers.calibration import Calibrator
from predictor.routers.linear import LinearSettings
from predictor.routers.mlp import MlpSettings
from predictor.routers.neighbours import NeighbourSettings
from predictor.routers.registry import make_router
from predictor.training.tuning import (
    AUTO,
    CANDIDATES,
    GRIDS,
    Change,
    Tried,
    TuningSettings,
    count_tested,
    is_tuned,
    list_parts,
    pick_router,
    tune,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run.

    Attributes:
        kind: router, one of `registry.ROUTERS`; `auto` for the best on the calibration split.
        seed: seed of every random choice; it replaces the seeds in the settings below.
        calibration: `platt` or `isotonic`.
        calibration_share: share of the training images that is held back for calibration when no
            calibration split is given.
        certify: claims to certify on the calibration split.
        features: settings of the feature map.
        boosted: settings of the boosted router.
        linear: settings of the linear and the ordinal router.
        mlp: settings of the network.
        neighbours: settings of the neighbour router.
        density: settings of the gate for unseen content.
        tuning: how the router's settings are chosen on the training split; None takes them as
            they are.
    """

    kind: str = "boosted"
    seed: int = 0
    calibration: str = "platt"
    calibration_share: float = 0.25
    certify: tuple[Claim, ...] = ()
    features: FeatureSettings = field(default_factory=FeatureSettings)
    boosted: BoostedSettings = field(default_factory=BoostedSettings)
    linear: LinearSettings = field(default_factory=LinearSettings)
    mlp: MlpSettings = field(default_factory=MlpSettings)
    neighbours: NeighbourSettings = field(default_factory=NeighbourSettings)
    density: DensitySettings = field(default_factory=DensitySettings)
    tuning: TuningSettings | None = None


def train_bundle(
    train: TrainData,
    calibration: TrainData | None = None,
    settings: TrainSettings | None = None,
    meta: dict[str, Any] | None = None,
    fitted: tuple[FeatureMap, FloatArray] | None = None,
) -> RouterBundle:
    """Train a router.

    Args:
        train: rows to learn from.
        calibration: rows for the calibration and the operating table, on other images; a share
            of `train` is held back if left out.
        settings: what to train; the defaults if left out.
        meta: JSON-ready facts to keep with the router, `checkpoint` among them.
        fitted: what `fit_features` gave for the same rows and settings, to save its time.

    Returns:
        The router with its feature map, calibration and operating table.
    """
    settings = settings or TrainSettings()
    if calibration is None:
        fit, held = split_by_image(train.clusters, settings.calibration_share, settings.seed)
        train, calibration = train.take(fit), train.take(held)
    _check_splits(train, calibration)
    _check_claims(train, calibration, settings)
    features, rows = fitted or fit_features(train, settings)
    settings, tried = _tune(settings, rows, train)
    # [calibration rows, d], on images that neither the features nor the router saw
    known = features.transform(calibration.coarse, calibration.question, calibration.extras)
    router, candidates = _fit(settings, (rows, train), (known, calibration))
    raw = router.predict_proba(known)
    calibrator = Calibrator(train.scales, settings.calibration).fit(raw, calibration.scores)
    calibrated = calibrator.transform(raw)
    outcomes = (calibration.tokens, calibration.scores)
    paying = count_paying(calibrated, *outcomes, calibration.clusters)
    policy = operating_table(calibrated, *outcomes, paying=paying)
    prices = list_prices(calibrated, calibration, paying)
    # Certificates test the router's own probabilities at lambdas of the training split: neither may
    # depend on the split that proves them. Rows as the finished router makes them, so that whoever
    # has the training outcomes can list the same lambdas.
    own = router.predict_proba(features.transform(train.coarse, train.question, train.extras))
    lambdas = list_candidates(own, train)
    tested = count_tested(candidates)
    proven = tuple(certify(raw, calibration, lambdas, claim, tested) for claim in settings.certify)
    _LOG.info("trained a %s router on %d rows of %d features", router.kind, *rows.shape)
    facts = _facts(train, calibration, settings)
    facts.update({"tuning": tried, "candidates": candidates})
    facts.update(meta or {})
    gate = DensityGate.fit(train, calibration, replace(settings.density, seed=settings.seed))
    return RouterBundle(features, router, calibrator, policy, facts, proven, gate, prices, lambdas)


def fit_features(train: TrainData, settings: TrainSettings) -> tuple[FeatureMap, FloatArray]:
    """Learn the feature map, which routers of several kinds may share.

    Args:
        train: rows to learn from.
        settings: what to train; its blocks and its seed count.

    Returns:
        The map and the rows to train on [n, d].
    """
    features = FeatureMap(replace(settings.features, seed=settings.seed))
    inputs = (train.coarse, train.question, train.scores, train.image_ids, train.extras)
    return features, features.fit_transform(*inputs, train.clusters)


def tune_settings(train: TrainData, settings: TrainSettings) -> TrainSettings:
    """Choose a router's settings once, for several trainings.

    Args:
        train: rows to learn from.
        settings: what to train.

    Returns:
        Settings that need no tuning any more; the same where there is nothing to tune.
    """
    if not is_tuned(settings.kind, settings.tuning):
        return replace(settings, tuning=None)
    return _tune(settings, fit_features(train, settings)[1], train)[0]


def _fit(
    settings: TrainSettings,
    train: tuple[FloatArray, TrainData],
    known: tuple[FloatArray, TrainData],
) -> tuple[Router, list[dict[str, Any]]]:
    """Train on rows and their outcomes; give the router and, if it was picked, from what."""
    rows, data = train

    def fit(kind: str) -> Router:
        router = _build(replace(settings, kind=kind), data.scales)
        return router.fit(rows, data.scores, clusters=data.clusters)

    if settings.kind != AUTO:
        return fit(settings.kind), []
    fitted = {kind: fit(kind) for kind in list_parts(AUTO)}
    # The blend's members are trained already.
    fitted[BlendRouter.kind] = BlendRouter.join(fitted["boosted"], fitted["mlp"])
    ordered = {kind: fitted[kind] for kind in CANDIDATES}
    return pick_router(ordered, *known, settings.calibration)


def _tune(
    settings: TrainSettings, rows: FloatArray, train: TrainData
) -> tuple[TrainSettings, list[dict[str, Any]]]:
    """Give tuned settings and what was tried, best first."""
    tuning = settings.tuning
    kind = settings.kind
    tried: list[dict[str, Any]] = []
    # A kind that is made of others is tuned part by part, each on top of the last one's settings.
    for part in list_parts(kind):
        if tuning is not None and part in GRIDS:
            settings, ranking = _tune_one(replace(settings, kind=part), rows, train, tuning)
            tried += [{"kind": part, **asdict(one)} for one in ranking]
    return replace(settings, kind=kind, tuning=None), tried


def _tune_one(
    settings: TrainSettings, rows: FloatArray, train: TrainData, tuning: TuningSettings
) -> tuple[TrainSettings, list[Tried]]:
    table = (rows, train.scores, train.clusters)

    def build(change: Change) -> Router:
        return _build(_change(settings, change), train.scales)

    tried = tune(build, GRIDS[settings.kind], table, replace(tuning, seed=settings.seed))
    _LOG.info("tuned %s: %s", settings.kind, tried[0])
    return _change(settings, tried[0].change), tried


def _change(settings: TrainSettings, change: Change) -> TrainSettings:
    if settings.kind == "knn":
        return replace(settings, neighbours=replace(settings.neighbours, **change))
    if settings.kind == "mlp":
        return replace(settings, mlp=replace(settings.mlp, **change))
    if settings.kind == "boosted":
        return replace(settings, boosted=replace(settings.boosted, **change))
    return replace(settings, linear=replace(settings.linear, **change))


def _build(settings: TrainSettings, scales: tuple[int, ...]) -> Router:
    return make_router(
        settings.kind,
        scales,
        boosted=replace(settings.boosted, seed=settings.seed),
        linear=replace(settings.linear, seed=settings.seed),
        mlp=replace(settings.mlp, seed=settings.seed),
        neighbours=replace(settings.neighbours, seed=settings.seed),
    )


def _check_splits(train: TrainData, calibration: TrainData) -> None:
    if train.scales != calibration.scales:
        raise ValueError(
            f"train has scales {train.scales}, calibration {calibration.scales}; label both alike"
        )
    shared = train.all_images & calibration.all_images
    if shared:
        raise ValueError(
            f"train and calibration share {len(shared)} images (one is {min(shared)}); "
            "split by image, or leave them out of the later split with --drop-shared"
        )


def _check_claims(train: TrainData, calibration: TrainData, settings: TrainSettings) -> None:
    """Refuse claims that the calibration split is too small for, before anything is learnt."""
    most = count_most(train) if settings.certify else {}
    tested = count_tested(CANDIDATES if settings.kind == AUTO else ())
    for claim in settings.certify:
        check_size(claim, calibration, most, tested)


def _facts(train: TrainData, calibration: TrainData, settings: TrainSettings) -> dict[str, Any]:
    return {
        "checkpoint": "",
        "settings": asdict(settings),
        "train": _split_facts(train),
        "calibration": _split_facts(calibration),
        "budgets": _list_budgets(calibration),
    }


def _list_budgets(calibration: TrainData) -> list[float]:
    fixed = np.asarray(calibration.tokens, np.float64).mean(axis=0)  # [s]
    return list(share_budgets(float(fixed.min()), float(fixed[-1])))


def _split_facts(split: TrainData) -> dict[str, Any]:
    return {
        "questions": len(split),
        "images": split.n_images,
        "fingerprint": split.fingerprint(),
    }
