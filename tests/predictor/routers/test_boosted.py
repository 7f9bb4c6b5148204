import io
import subprocess
import sys

import lightgbm
import numpy as np
import pytest

from m3_backbone.serialization import to_json
from predictor.routers.arrays import pack_arrays
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
    assert set(router.to_files()) == {"trees.npz"}
    loaded = BoostedRouter.from_files(router.to_files(), SCALES)
    probabilities = loaded.predict_proba(outcomes[0])
    assert np.array_equal(probabilities, router.predict_proba(outcomes[0]))


@pytest.fixture
def texts(monkeypatch):
    """What LightGBM learns from now on, as the text of its models."""
    kept = []
    train = lightgbm.train

    def keep(*arguments):
        kept.append(train(*arguments))
        return kept[-1]

    monkeypatch.setattr(lightgbm, "train", keep)
    return kept


def test_probabilities_are_the_mean_of_heads_and_shared_trees(outcomes, texts):
    router = BoostedRouter(SCALES, SMALL).fit(*outcomes)
    row = outcomes[0][:1]
    *heads, shared = texts
    both = [shared.predict(np.column_stack([row, [[k]]]))[0] for k in (0, 1)]
    expected = [(own.predict(row)[0] + other) / 2 for own, other in zip(heads, both, strict=True)]
    assert router.predict_proba(row)[0] == pytest.approx(expected, rel=1e-15)


def test_a_saved_router_predicts_without_lightgbm(outcomes):
    files = BoostedRouter(SCALES, SMALL).fit(*outcomes).to_files()
    assert "lightgbm" not in predict_elsewhere(files["trees.npz"])


def predict_elsewhere(content):
    """Predict in a fresh process; give the modules that it imported."""
    code = (
        "import sys; import numpy as np; from predictor.routers.boosted import BoostedRouter;"
        "files = {'trees.npz': sys.stdin.buffer.read()};"
        "BoostedRouter.from_files(files, (1, 9)).predict_proba(np.zeros((1, 3)));"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.decode().split()


def old_files(texts, width=3, constants=()):
    """The files of a router as they were before trees became arrays."""
    *heads, shared = (booster.model_to_string().encode() for booster in texts)
    names = [f"head-{scale:05d}.txt" for scale in SCALES if scale not in constants]
    index = {"width": width, "shared": True, "constants": {}}
    index["constants"] = {f"head-{scale:05d}.txt": 2.0 for scale in constants}
    files = dict(zip(names, heads, strict=True))
    return {**files, "shared.txt": shared, "boosted.json": to_json(index)}


def test_a_router_of_lightgbm_text_still_opens(outcomes, texts):
    router = BoostedRouter(SCALES, SMALL).fit(*outcomes)
    loaded = BoostedRouter.from_files(old_files(texts), SCALES)
    assert np.array_equal(loaded.predict_proba(outcomes[0]), router.predict_proba(outcomes[0]))
    assert loaded.to_files() == router.to_files()


def test_a_scale_whose_scores_are_alike_is_a_constant_in_both_forms(outcomes, texts):
    scores = np.column_stack([outcomes[1][:, 0], np.ones(300)])
    router = BoostedRouter(SCALES, SMALL).fit(outcomes[0], scores)
    again = BoostedRouter.from_files(router.to_files(), SCALES).predict_proba(outcomes[0])
    assert np.array_equal(again, router.predict_proba(outcomes[0]))
    assert set(again[:, 1]) == {again[0, 1]}
    old = BoostedRouter.from_files(old_files(texts, constants=(9,)), SCALES)
    assert np.array_equal(old.predict_proba(outcomes[0])[:, 0], again[:, 0])
    assert old.predict_proba(outcomes[0])[0, 1] == pytest.approx(1 / (1 + np.exp(-2.0)))


@pytest.mark.parametrize("name", ["head-00009.txt", "shared.txt"])
def test_a_missing_file_is_named(outcomes, texts, name):
    BoostedRouter(SCALES, SMALL).fit(*outcomes)
    files = old_files(texts)
    del files[name]
    with pytest.raises(ValueError, match=f"boosted router lacks '{name}'"):
        BoostedRouter.from_files(files, SCALES)


def test_a_booster_of_another_width_is_refused(outcomes, texts):
    BoostedRouter(SCALES, SMALL).fit(*outcomes)
    with pytest.raises(ValueError, match="boosted router expects 4 features, a booster 3"):
        BoostedRouter.from_files(old_files(texts, width=4), SCALES)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("heads.feature", 3, "a node looks at a feature that is none of 3"),
        ("heads.feature", -1, "a node looks at a feature that is none of 3"),
        ("shared.feature", 4, "a node looks at a feature that is none of 4"),
        ("heads.gone", 2**31, "rules out leaves that are not there"),
        ("shared.gone", 2**31, "rules out leaves that are not there"),
        ("heads.value", np.nan, "holds NaN"),
        ("trees", 7, "has other trees than it says"),
        ("trees", 0, "has other trees than it says"),
        ("width", 0, "a feature that is none of 0"),
    ],
)
def test_trees_that_no_training_gives_are_refused(outcomes, name, value, message):
    router = BoostedRouter(SCALES, SMALL).fit(*outcomes)
    arrays = read_arrays(router.to_files()["trees.npz"])
    arrays[name].flat[0] = value
    with pytest.raises(ValueError, match=message):
        BoostedRouter.from_files({"trees.npz": pack_arrays(arrays)}, SCALES)


@pytest.mark.parametrize("name", ["heads.gone", "heads.feature"])
def test_trees_of_other_types_are_refused(outcomes, name):
    arrays = read_arrays(BoostedRouter(SCALES, SMALL).fit(*outcomes).to_files()["trees.npz"])
    arrays[name] = arrays[name].astype(float)
    with pytest.raises(ValueError, match="rules out leaves that are not there"):
        BoostedRouter.from_files({"trees.npz": pack_arrays(arrays)}, SCALES)


def read_arrays(content):
    with np.load(io.BytesIO(content)) as archive:
        return dict(archive)


@pytest.mark.parametrize("leaves", [{"leaves": 1}, {"leaves": 65}, {"shared_leaves": 100}])
def test_trees_of_too_many_leaves_are_refused(leaves):
    with pytest.raises(ValueError, match="trees must have 2 to 64 leaves"):
        BoostedSettings(**leaves)
