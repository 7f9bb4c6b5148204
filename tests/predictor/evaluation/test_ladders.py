"""Whatever the ladder of scales: a router, and a report without an error after the labelling."""

from dataclasses import replace

import numpy as np
import pytest

from m3_backbone.serialization import json_ready
from predictor.data import TrainData
from predictor.evaluation.experiment import run_experiment
from predictor.evaluation.runs import EvaluationSettings
from predictor.evaluation.sections.attainable import judge_router
from predictor.evaluation.sections.unseen import report_fallback
from predictor.evaluation.trainings import ExperimentSettings
from predictor.report.report import write_report
from predictor.training.train import TrainSettings, train_bundle

FAST = TrainSettings(kind="linear")


def make_split(name, scales, per_scale, images, seed):
    """Make a split whose questions need more tokens where a feature says so.

    Args:
        name: what its names begin with.
        scales: the scales.
        per_scale: tokens of a question for each of a scale, such as its frames or crops [n].
        images: number of images, of two questions each.
        seed: seed of everything.
    """
    rng = np.random.default_rng(seed)
    n = 2 * images
    need = rng.integers(0, len(scales), n)
    question = rng.normal(0, 0.2, (n, 4))
    question[:, 0] += need
    right = np.arange(len(scales))[None] >= need[:, None]
    return TrainData(
        sample_ids=np.array([f"{name}{row}" for row in range(n)]),
        image_ids=np.array([f"{name}{row // 2}" for row in range(n)]),
        groups=np.where(rng.random(n) < 0.5, "gist", "reading"),
        coarse=rng.normal(0, 0.2, (n, 2, 4)).astype(np.float32),
        question=question.astype(np.float32),
        scores=(right ^ (rng.random((n, len(scales))) < 0.05)).astype(float),
        tokens=np.outer(np.resize(per_scale, n), scales).astype(float),
        scales=scales,
        meta=np.column_stack((need, np.full(n, np.nan))).astype(np.float32),
        meta_names=("need", "options"),
        confidence=np.log(np.where(right, 0.9, 0.3)),
        lengths=np.full(n, 20.0),
    )


LADDERS = {
    "two scales": ((144, 576), (1,), (171, 198, 252)),
    "a video of 40 frames": ((1, 9, 36, 144, 576), (40,), (1440, 2880, 5760)),
    "three steps of PaliGemma": ((16, 64, 256), (1,), (31, 46, 76)),
    "one step of PaliGemma": ((256,), (1,), (256,)),
    "crops": ((1, 9, 36, 144, 576), (3, 5), (144, 288, 576)),
}


SLOW = ("a video of 40 frames", "three steps of PaliGemma")


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow) if one in SLOW else one for one in LADDERS]
)
def test_a_report_is_made(name, tmp_path):
    scales, per_scale, budgets = LADDERS[name]
    train, calibration, test = (
        make_split(split, scales, per_scale, images, seed)
        for seed, (split, images) in enumerate({"a": 60, "b": 60, "c": 60}.items())
    )
    bundle = train_bundle(train, calibration, FAST)
    assert bundle.meta["budgets"] == list(budgets)
    assert bundle.usual_budget == budgets[len(budgets) // 2]
    evaluation = replace(EvaluationSettings.for_ladder(calibration), n_resamples=20)
    settings = ExperimentSettings((0,), FAST, evaluation, curve_points=6, studies=False)
    results = run_experiment(train, calibration, test, settings)
    results["ladder"] = judge_router(bundle, test)
    results["fallback"] = report_fallback(bundle, test, evaluation.headline)
    results = json_ready(results, digits=7)
    assert list(results["router"]["at"]) == [f"{budget:g}" for budget in budgets]
    # All spend the budget exactly, or less where no more of it pays.
    for router in (results["router"], results["omniscient"], *results["baselines"].values()):
        for budget, point in zip(budgets, router["at"].values(), strict=True):
            assert point["tokens"] <= budget * 1.000001
    assert results["router"]["at"][f"{budgets[0]:g}"]["tokens"] == pytest.approx(budgets[0])
    page = write_report(results, tmp_path / "report", {}).read_text("utf-8")
    assert f"{budgets[len(budgets) // 2]:g} tokens" in page
    if len(scales) == 1:
        assert "Not worth routing: there is one scale, so there is nothing to choose." in page
