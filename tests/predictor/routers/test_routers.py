"""One contract for every router in the registry."""

import tracemalloc

import numpy as np
import pytest

from predictor.routers.boosted import BoostedSettings
from predictor.routers.mlp import MlpSettings
from predictor.routers.registry import ROUTERS, make_router, router_class

SCALES = (1, 9, 36)
SMALL = BoostedSettings(
    trees=20, shared_trees=20, learning_rate=0.3, min_rows=10, l2=1.0, threads=1
)
SMALL_MLP = MlpSettings(hidden=16, rate=0.02, epochs=25)


@pytest.fixture(scope="module")
def outcomes():
    """Three scales that are right where the first feature exceeds -1, 0 and 1."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 4))
    correct = (features[:, :1] > np.array([1.0, 0.0, -1.0])).astype(float)
    return features, correct


@pytest.fixture(params=sorted(ROUTERS))
def kind(request):
    return request.param


def build(kind):
    return make_router(kind, SCALES, boosted=SMALL, mlp=SMALL_MLP)


def test_fit_returns_the_router_and_probabilities_have_its_shape(kind, outcomes):
    router = build(kind)
    assert router.fit(*outcomes) is router
    probabilities = router.predict_proba(outcomes[0][:7])
    assert probabilities.shape == (7, 3)
    assert probabilities.dtype == np.float64
    assert np.all((probabilities >= 0) & (probabilities <= 1))


def test_it_learns_what_there_is_to_learn(kind, outcomes):
    if kind == "constant":
        pytest.skip("it learns no more than a mean; see test_constant.py")
    features, correct = outcomes
    router = build(kind).fit(features[:400], correct[:400])
    probabilities = router.predict_proba(features[400:])
    assert ((probabilities > 0.5) == correct[400:]).mean() > 0.9


def test_many_rows_are_predicted_in_little_memory(kind, outcomes):
    router = build(kind).fit(*outcomes)
    rows = np.tile(outcomes[0], (100, 1))
    expected = router.predict_proba(outcomes[0])
    tracemalloc.start()
    actual = router.predict_proba(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # What is given, in blocks and joined, and no more than some megabytes.
    assert peak < 2 * actual.nbytes + 15e6
    assert actual[-600:] == pytest.approx(expected, abs=1e-6)


def test_saving_and_loading_gives_the_same_numbers(kind, outcomes):
    router = build(kind).fit(*outcomes)
    loaded = router_class(kind).from_files(router.to_files(), SCALES)
    assert loaded.scales == SCALES
    assert np.array_equal(loaded.predict_proba(outcomes[0]), router.predict_proba(outcomes[0]))


def test_the_same_seed_gives_the_same_bytes(kind, outcomes):
    assert build(kind).fit(*outcomes).to_files() == build(kind).fit(*outcomes).to_files()


def test_clusters_are_a_name_for_each_row(kind, outcomes):
    router = build(kind).fit(*outcomes, clusters=np.arange(600) // 4)
    assert router.predict_proba(outcomes[0]).shape == (600, 3)
    with pytest.raises(ValueError, match=r"clusters must be 600 names, got shape \(599,\)"):
        build(kind).fit(*outcomes, clusters=np.arange(599))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_scale_whose_scores_are_all_alike_becomes_a_constant(kind, outcomes, value):
    features, correct = outcomes
    alike = correct.copy()
    alike[:, 1] = value
    router = build(kind).fit(features, alike)
    probabilities = router.predict_proba(features)
    assert probabilities[:, 1] == pytest.approx(np.full(600, value), abs=0.05)
    assert np.ptp(probabilities[:, 1]) < 0.05
    assert np.ptp(probabilities[:, 0]) > 0.5 or kind == "constant"
    loaded = router_class(kind).from_files(router.to_files(), SCALES)
    assert np.array_equal(loaded.predict_proba(features), probabilities)


def test_all_scales_alike_still_work(kind, outcomes):
    features, _ = outcomes
    probabilities = build(kind).fit(features, np.ones((600, 3))).predict_proba(features)
    assert np.all(probabilities > 0.95)


def test_soft_scores_are_probabilities(kind, outcomes):
    if kind == "constant":
        pytest.skip("it tells no row from another; see test_constant.py")
    features, _ = outcomes
    soft = np.where(features[:, :1] > 0, 0.8, 0.2) * np.ones((1, 3))
    probabilities = build(kind).fit(features, soft).predict_proba(features)
    far = np.abs(features[:, 0]) > 0.7
    assert probabilities[far & (features[:, 0] > 0)].mean() == pytest.approx(0.8, abs=0.08)
    assert probabilities[far & (features[:, 0] < 0)].mean() == pytest.approx(0.2, abs=0.08)


def test_weights_count_as_repeated_rows(kind, outcomes):
    features, correct = outcomes
    weights = np.where(features[:, 1] > 0, 3.0, 0.0)
    heavy = build(kind).fit(features, correct, weights=weights).predict_proba(features)
    # The rows of weight 0 say the opposite, and nobody hears them.
    lying = np.where(features[:, 1:2] > 0, correct, 1 - correct)
    same = build(kind).fit(features, lying, weights=weights).predict_proba(features)
    assert np.abs(heavy - same).mean() < 0.12
    if kind == "constant":
        return
    plain = build(kind).fit(features, lying).predict_proba(features)
    assert np.abs(plain - same).mean() > 0.2


def test_scales_that_were_not_tried_are_not_heard(kind, outcomes):
    """Half of the scores are missing; whatever stood there, the router would be the same."""
    features, correct = outcomes
    missing = np.random.default_rng(1).random(correct.shape) < 0.5
    missing[missing.all(axis=1)] = False
    router = build(kind).fit(features, np.where(missing, np.nan, correct))
    probabilities = router.predict_proba(features)
    assert np.all((probabilities >= 0) & (probabilities <= 1))
    if kind == "constant":
        assert probabilities[0] == pytest.approx(
            [correct[~missing[:, k], k].mean() for k in range(3)]
        )
    else:
        assert ((probabilities > 0.5) == correct).mean() > 0.88


@pytest.mark.parametrize(
    ("features", "correct", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 2)), "correct must have shape"),
        (np.ones((0, 2)), np.ones((0, 3)), "at least one row"),
        (np.ones((3, 2)), np.full((3, 3), 2.0), "correct must lie in"),
        (np.ones((3, 2)), np.full((3, 3), np.nan), "no row has a score at scale 1"),
    ],
)
def test_bad_training_rows_are_refused(kind, features, correct, message):
    with pytest.raises(ValueError, match=message):
        build(kind).fit(features, correct)


def test_an_unfitted_router_says_so(kind):
    with pytest.raises(ValueError, match="not fitted"):
        build(kind).predict_proba(np.ones((1, 4)))
    with pytest.raises(ValueError, match="not fitted"):
        build(kind).to_files()


def test_another_width_is_refused(kind, outcomes):
    with pytest.raises(ValueError, match=r"features must have shape \[n, 4\]"):
        build(kind).fit(*outcomes).predict_proba(np.ones((1, 5)))


def test_files_of_other_scales_are_refused(kind, outcomes):
    files = build(kind).fit(*outcomes).to_files()
    with pytest.raises(ValueError, match="has shape .*, not .*4"):
        router_class(kind).from_files(files, (1, 9, 36, 144))


def test_an_unknown_router_is_refused():
    with pytest.raises(
        ValueError, match=r"router must be one of \['blend', 'boosted', .*\], got 'x'"
    ):
        make_router("x", SCALES)
