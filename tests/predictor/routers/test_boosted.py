import numpy as np
import pytest

from predictor.routers.boosted import BoostedRouter, BoostedSettings

SCALES = (1, 9)
SMALL = BoostedSettings(trees=10, shared_trees=10, min_rows=5, threads=1)


@pytest.fixture(scope="module")
def outcomes():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300, 3))
    return features, (features[:, :2] > 0).astype(float)


def test_threads_do_not_change_the_trees(outcomes):
    one = BoostedRouter(SCALES, SMALL).fit(*outcomes)
    two = BoostedRouter(SCALES, BoostedSettings(**{**vars(SMALL), "threads": 2})).fit(*outcomes)
    assert np.array_equal(one.predict_proba(outcomes[0]), two.predict_proba(outcomes[0]))


def test_another_seed_gives_other_trees(outcomes):
    one = BoostedRouter(SCALES, SMALL).fit(*outcomes)
    two = BoostedRouter(SCALES, BoostedSettings(**{**vars(SMALL), "seed": 1})).fit(*outcomes)
    assert not np.array_equal(one.predict_proba(outcomes[0]), two.predict_proba(outcomes[0]))


def test_missing_features_are_taken(outcomes):
    features = outcomes[0].copy()
    features[::3, 2] = np.nan
    probabilities = BoostedRouter(SCALES, SMALL).fit(features, outcomes[1]).predict_proba(features)
    assert np.all(np.isfinite(probabilities))


def test_shared_trees_can_be_left_out(outcomes):
    settings = BoostedSettings(trees=10, shared_trees=0, min_rows=5, threads=1)
    router = BoostedRouter(SCALES, settings).fit(*outcomes)
    assert router.shared_ is None
    assert set(router.to_files()) == {"boosted.json", "head-00001.txt", "head-00009.txt"}
    loaded = BoostedRouter.from_files(router.to_files(), SCALES)
    probabilities = loaded.predict_proba(outcomes[0])
    assert np.array_equal(probabilities, router.predict_proba(outcomes[0]))


def test_probabilities_are_the_mean_of_heads_and_shared_trees(outcomes):
    router = BoostedRouter(SCALES, SMALL).fit(*outcomes)
    row = outcomes[0][:1]
    heads = [head.predict(row)[0] for head in router.heads_]
    shared = [router.shared_.predict(np.column_stack([row, [[k]]]))[0] for k in (0, 1)]
    expected = [(own + other) / 2 for own, other in zip(heads, shared, strict=True)]
    assert router.predict_proba(row)[0] == pytest.approx(expected)


@pytest.mark.parametrize("name", ["boosted.json", "head-00009.txt", "shared.txt"])
def test_a_missing_file_is_named(outcomes, name):
    files = BoostedRouter(SCALES, SMALL).fit(*outcomes).to_files()
    del files[name]
    with pytest.raises(ValueError, match=f"boosted router lacks '{name}'"):
        BoostedRouter.from_files(files, SCALES)


def test_a_booster_of_another_width_is_refused(outcomes):
    files = BoostedRouter(SCALES, SMALL).fit(*outcomes).to_files()
    narrow = BoostedRouter(SCALES, SMALL).fit(outcomes[0][:, :2], outcomes[1]).to_files()
    files["head-00009.txt"] = narrow["head-00009.txt"]
    with pytest.raises(ValueError, match="boosted router expects 3 features, a booster 2"):
        BoostedRouter.from_files(files, SCALES)
