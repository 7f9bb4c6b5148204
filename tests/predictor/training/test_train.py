from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.features.blocks import PICTURE, FeatureSettings
from predictor.policy.budgets import choose, solve_lambdas
from predictor.policy.claims import Claim
from predictor.policy.spending import spend
from predictor.routers.boosted import BoostedSettings
from predictor.routers.mlp import MlpRouter, MlpSettings
from predictor.training.cross_validation import measure_gap
from predictor.training.train import TrainSettings, train_bundle
from predictor.training.tuning import CANDIDATES, TuningSettings

SCALES = (1, 9, 36, 144, 576)
FAMILIES = 4
WIDTH = 32
SLIM = FeatureSettings(question_width=12, product_grid=6, product_spread=4, product_question=8)
TREES = BoostedSettings(trees=50, shared_trees=50, learning_rate=0.08, threads=1)
QUICK = TrainSettings(features=SLIM, boosted=TREES)


def make_world(n_images, seed, questions=8):
    """Questions whose minimal scale is (density of the picture) x (family of the question).

    A picture's density in [0, 2.5] and a question's family are embedded linearly in noise. Family
    0 needs 1 token whatever the picture; the others need more the denser it is, from different
    starts. In the units of log4(tokens): 0, 1.6, 2.6, 3.6 and 4.6 for the five scales.
    """
    world, rng = np.random.default_rng(99), np.random.default_rng(seed)
    dense, asked = world.normal(size=(2, WIDTH)), world.normal(size=(FAMILIES, WIDTH))
    density = rng.uniform(0, 2.5, n_images)
    known = np.column_stack([density - 1.25, np.sin(2 * density)])
    nine = (known @ dense)[:, None] + rng.normal(size=(n_images, 9, WIDTH))
    coarse = np.concatenate([nine.mean(axis=1, keepdims=True), nine], axis=1)
    image = np.repeat(np.arange(n_images), questions)
    family = rng.integers(FAMILIES, size=len(image))
    start, slope = np.array([-2.0, 0.3, 1.3, 2.2]), np.array([0.0, 1.6, 1.2, 0.8])
    needed = start[family] + slope[family] * density[image]
    odds = 6 * (np.log(SCALES) / np.log(4) - needed[:, None])
    right = rng.random(len(image))[:, None] < 0.05 + 0.93 / (1 + np.exp(-odds))
    return TrainData(
        sample_ids=np.array([f"{seed}-{row}" for row in range(len(image))]),
        image_ids=np.array([f"{seed}-{number}" for number in image]),
        groups=family.astype(str),
        coarse=coarse[image].astype(np.float32),
        question=(asked[family] + rng.normal(size=(len(image), WIDTH))).astype(np.float32),
        scores=right.astype(np.float64),
        tokens=np.tile(np.array(SCALES, np.float64), (len(image), 1)),
        scales=SCALES,
    )


@pytest.fixture(scope="module")
def splits():
    return make_world(250, seed=1), make_world(100, seed=2), make_world(200, seed=3)


@pytest.fixture(scope="module")
def bundle(splits):
    return train_bundle(splits[0], splits[1], QUICK, meta={"checkpoint": "abc"})


def accuracy_at(bundle, splits, budget):
    """Solve lambda on the calibration split; give accuracy and mean tokens on the test split."""
    _, calibration, test = splits
    lam = bundle.lambda_for_budget(budget)
    chosen = choose(bundle.predict_proba(test.coarse, test.question), test.tokens, lam)
    rows = np.arange(len(test))
    return test.scores[rows, chosen].mean(), test.tokens[rows, chosen].mean()


def test_the_router_beats_picture_only_and_question_only(splits, bundle):
    actual = {"both": accuracy_at(bundle, splits, 72.0)}
    for blocks in (PICTURE, ("question",)):
        settings = replace(QUICK, features=replace(SLIM, blocks=blocks))
        actual[blocks[-1]] = accuracy_at(train_bundle(*splits[:2], settings), splits, 72.0)
    assert actual["both"][0] > actual["question"][0] + 0.03
    assert actual["both"][0] > actual["statistics"][0] + 0.03
    assert all(tokens < 72.0 * 1.15 for _, tokens in actual.values())


def test_the_boosted_router_beats_the_linear_one(splits, bundle):
    linear = train_bundle(*splits[:2], replace(QUICK, kind="linear"))
    test = splits[2]
    error = [
        np.mean((actual.predict_proba(test.coarse, test.question) - test.scores) ** 2)
        for actual in (bundle, linear)
    ]
    assert error[0] < error[1]


def test_it_saves_most_of_the_tokens_at_the_accuracy_of_the_largest_scale(splits, bundle):
    accuracy, tokens = accuracy_at(bundle, splits, 200.0)
    assert accuracy > splits[2].scores[:, -1].mean() - 0.03
    assert tokens < 230


def test_probabilities_are_calibrated(splits, bundle):
    test = splits[2]
    probabilities = bundle.predict_proba(test.coarse, test.question)
    assert probabilities.mean(axis=0) == pytest.approx(test.scores.mean(axis=0), abs=0.04)


def test_the_table_agrees_with_the_exact_solution(splits, bundle):
    calibration = splits[1]
    probabilities = bundle.predict_proba(calibration.coarse, calibration.question)
    [lam] = solve_lambdas(probabilities, calibration.tokens, [72.0])
    exact, table = (
        calibration.tokens[0][choose(probabilities, calibration.tokens, value)].mean()
        for value in (lam, bundle.lambda_for_budget(72.0))
    )
    assert table <= exact <= 72.0
    assert table > exact - 2.0


def test_shuffled_scores_teach_nothing(splits):
    train, calibration, test = splits
    rng = np.random.default_rng(0)
    shuffled = [
        replace(part, scores=part.scores[rng.permutation(len(part))])
        for part in (train, calibration)
    ]
    probabilities = train_bundle(*shuffled, QUICK).predict_proba(test.coarse, test.question)
    assert probabilities.std(axis=0).max() < 0.1


def test_the_same_seed_gives_the_same_files(splits):
    quick = replace(QUICK, boosted=replace(TREES, trees=5, shared_trees=5))
    first, again, other = (
        train_bundle(*splits[:2], replace(quick, seed=seed)).to_files() for seed in (0, 0, 1)
    )
    assert first == again
    assert first["trees.npz"] != other["trees.npz"]


def test_meta_says_what_it_was_trained_on(splits, bundle):
    assert bundle.meta["checkpoint"] == "abc"
    assert bundle.meta["train"] == {
        "questions": 2000,
        "images": 250,
        "fingerprint": splits[0].fingerprint(),
    }
    assert bundle.meta["settings"]["boosted"]["trees"] == 50
    assert bundle.scales == SCALES


def test_calibration_is_held_back_by_image_when_none_is_given(splits):
    quick = replace(QUICK, kind="linear", calibration_share=0.2)
    actual = train_bundle(splits[0], settings=quick)
    assert actual.meta["train"]["images"] == 200
    assert actual.meta["calibration"]["images"] == 50


def test_auto_keeps_what_wins_on_the_calibration_split(splits):
    train, calibration, test = splits
    quick = replace(
        QUICK, boosted=replace(TREES, trees=5, shared_trees=5), certify=(Claim("net", 0.3, 0.3),)
    )
    actual = train_bundle(train, calibration, replace(quick, kind="auto"))
    table = actual.meta["candidates"]
    assert sorted(row["kind"] for row in table) == sorted(CANDIDATES)
    assert [row["ogc"] for row in table] == sorted((row["ogc"] for row in table), reverse=True)
    assert (actual.router.kind, actual.meta["settings"]["kind"]) == (table[0]["kind"], "auto")
    for row in table:
        alone = train_bundle(train, calibration, replace(quick, kind=row["kind"]))
        believed = alone.predict_proba(calibration.coarse, calibration.question)
        gap = measure_gap(calibration, spend(believed, calibration.tokens, [72.0]))
        assert row == {"kind": row["kind"], "budget": 72.0, "ogc": gap}
        if row["kind"] == actual.router.kind:
            seen = [one.predict_raw(test.coarse, test.question) for one in (actual, alone)]
            assert np.array_equal(*seen)
    assert actual.certificates[0].tested == len(CANDIDATES)


def test_auto_on_a_split_without_a_gap_keeps_the_first_candidate(splits):
    alike = [replace(part, scores=np.ones_like(part.scores)) for part in splits[:2]]
    actual = train_bundle(*alike, replace(QUICK, kind="auto"))
    assert actual.router.kind == CANDIDATES[0]
    assert {row["ogc"] for row in actual.meta["candidates"]} == {None}


def test_auto_and_blend_tune_their_parts(splits):
    slow = replace(QUICK, tuning=TuningSettings(folds=2, most_rows=200), boosted=TREES)
    grid = {"boosted": 4, "mlp": 4}
    for kind, more in (("blend", {}), ("auto", {"linear": 6})):
        tried = train_bundle(*splits[:2], replace(slow, kind=kind)).meta["tuning"]
        assert Counter(one["kind"] for one in tried) == {**grid, **more}


def test_splits_that_share_an_image_are_refused(splits):
    with pytest.raises(ValueError, match="train and calibration share 250 images"):
        train_bundle(splits[0], splits[0], QUICK)


def test_splits_of_different_scales_are_refused(splits):
    train, calibration, _ = splits
    fewer = replace(
        calibration,
        scales=SCALES[:2],
        scores=calibration.scores[:, :2],
        tokens=calibration.tokens[:, :2],
    )
    with pytest.raises(ValueError, match="train has scales .* calibration .1, 9."):
        train_bundle(train, fewer, QUICK)


def test_what_is_held_out_of_a_training_goes_by_image(splits, monkeypatch):
    """The router, and every one that is tried for its settings, is told which rows are of one."""
    told = []
    part = MlpRouter._part

    def watch(self, clusters, w):
        told.append(clusters)
        return part(self, clusters, w)

    monkeypatch.setattr(MlpRouter, "_part", watch)
    quick = replace(QUICK, kind="blend", mlp=MlpSettings(epochs=1))
    tuning = TuningSettings(folds=2, most_rows=200)
    train_bundle(*splits[:2], replace(quick, tuning=tuning))
    # Four candidates of the network in two folds, and the router itself.
    assert len(told) == 4 * 2 + 1
    assert all(len(np.unique(clusters)) == len(clusters) / 8 for clusters in told)
    assert np.array_equal(told[-1], splits[0].clusters)
