"""A report measures the router that was saved, and nothing that is tuned from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.features.blocks import FeatureSettings
from predictor.routers.boosted import BoostedSettings
from predictor.training.train import TrainSettings, train_bundle
from predictor.training.tuning import TuningSettings
from scripts.stages.report import ReportInputs, _fill_settings, plan_experiment, read_settings
from scripts.stages.splits import LabelledSplit
from scripts.stages.train import is_trained, run_train

OWN = TrainSettings(
    calibration="isotonic",
    features=FeatureSettings(question_width=2, one_width=3),
    boosted=BoostedSettings(trees=5, leaves=4, shared_trees=7, shared_leaves=9, min_rows=11),
)


def make_split(seed):
    rng = np.random.default_rng(seed)
    n = 160
    return TrainData(
        sample_ids=np.array([f"{seed}-{k}" for k in range(n)]),
        image_ids=np.array([f"{seed}-{k // 4}" for k in range(n)]),
        groups=np.full(n, "g"),
        coarse=rng.normal(size=(n // 4, 10, 4))[np.arange(n) // 4],
        question=rng.normal(size=(n, 4)),
        scores=(rng.random((n, 2)) < (0.4, 0.8)).astype(float),
        tokens=np.tile([1.0, 9.0], (n, 1)),
        scales=(1, 9),
    )


@pytest.fixture(scope="module")
def splits():
    return make_split(0), make_split(1)


@pytest.fixture(scope="module")
def saved(splits):
    return train_bundle(*splits, OWN)


def test_what_is_trained_again_is_the_saved_router(saved, splits):
    settings = read_settings(saved, TrainSettings(tuning=TuningSettings()))
    expected, actual = saved.to_files(), train_bundle(*splits, settings).to_files()
    learnt = [name for name in expected if name.endswith(".npz")]
    assert {"features.npz", "trees.npz", "calibration.npz"} <= set(learnt)
    assert [name for name in learnt if actual[name] != expected[name]] == []


@pytest.mark.parametrize("studies", [False, True])
def test_other_kinds_are_tuned_from_the_defaults(saved, studies):
    planned = plan_experiment(1, studies)
    filled = _fill_settings(planned, saved, ReportInputs(router=Path("router")))
    assert filled.train == OWN and filled.train.tuning is None
    if not studies:
        assert filled.others is None
        return
    assert filled.others == replace(
        planned.train, calibration="isotonic", features=OWN.features, tuning=TuningSettings()
    )
    assert filled.others.boosted == BoostedSettings()


def test_a_demo_with_studies_wants_a_tuned_router(splits, tmp_path):
    """So that what is reported beside tuned kinds is tuned, and is what was saved."""
    train, calibration = (LabelledSplit(one, [], np.empty((0, 2)), "c") for one in splits)
    tuned = TuningSettings(folds=2, most_rows=40)
    for kind, tuning in (("linear", tuned), ("linear", None), ("constant", tuned)):
        settings = TrainSettings(kind=kind, tuning=tuning)
        run_train(train, calibration, tmp_path / "router", settings)
        other = replace(settings, tuning=None if tuning else tuned)
        assert is_trained(tmp_path / "router", train, calibration, settings)
        # A constant has nothing to tune, so it is the same.
        same = is_trained(tmp_path / "router", train, calibration, other)
        assert same == (kind == "constant")
