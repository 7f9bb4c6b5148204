import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from predictor.routers.lightgbm_text import constant_forest, read_forest

WIDTH = 6
PARAMETERS = {
    "objective": "cross_entropy",
    "num_leaves": 12,
    "min_data_in_leaf": 5,
    "num_threads": 1,
    "verbosity": -1,
    "seed": 0,
}


def train(**changes):
    """Trees on rows where some features are missing and one is constant."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, WIDTH))
    x[::3, 2] = np.nan
    x[:, 4] = 1.0
    target = expit(x[:, 0] + np.nan_to_num(x[:, 2], nan=2.0))
    return lgb.train({**PARAMETERS, **changes}, lgb.Dataset(x, target), 20)


@pytest.fixture(scope="module")
def booster():
    return train()


@pytest.fixture(scope="module")
def text(booster):
    return booster.model_to_string()


def sums(forest, x):
    return forest.read_leaves(forest.rule_out(x)).sum(axis=0)


def rows(n):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, WIDTH)) * rng.choice([1e-3, 1.0, 1e3], size=(n, 1))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.05] = np.inf
    x[rng.random(x.shape) < 0.05] = 0.0
    return x


@pytest.mark.parametrize(
    "changes",
    [{}, {"num_leaves": 64}, {"use_missing": False}, {"num_leaves": 33}, {"min_data_in_leaf": 400}],
)
def test_a_forest_gives_what_lightgbm_gives(changes):
    booster, x = train(**changes), rows(10_000)
    forest = read_forest(booster.model_to_string().encode(), WIDTH)
    expected = booster.predict(x, raw_score=True)
    assert np.array_equal(sums(forest, x), expected)
    # Exactly on the edge; LightGBM itself rounds what is next to 0.
    edges = forest.threshold[np.abs(forest.threshold) > 1e-30][:500]
    edges = np.tile(edges[:, None], WIDTH)
    assert np.array_equal(sums(forest, edges), booster.predict(edges, raw_score=True))


def test_a_split_of_what_is_there_from_what_is_missing():
    """LightGBM writes an infinite threshold for it."""
    x = np.random.default_rng(0).normal(size=(300, 1))
    x[::3] = np.nan
    booster = lgb.train(PARAMETERS, lgb.Dataset(x, np.isnan(x[:, 0]).astype(float)), 3)
    text = booster.model_to_string()
    assert "threshold=inf" in text
    forest = read_forest(text.encode(), 1)
    assert np.isfinite(forest.threshold).all()
    assert np.array_equal(sums(forest, x), booster.predict(x, raw_score=True))


def test_a_constant_forest_asks_nothing():
    assert sums(constant_forest(-1.5), rows(3)).tolist() == [-1.5] * 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_class=1", "num_class=3", "num_class='3' is not ours"),
        ("objective=cross_entropy", "objective=binary", "objective='binary' is not ours"),
        ("max_feature_idx=5", "max_feature_idx=7", "expects 6 features, a booster 8"),
        ("num_cat=0", "num_cat=1", "num_cat='1' is not ours"),
        ("is_linear=0", "is_linear=1", "is_linear='1' is not ours"),
        ("num_leaves=12", "num_leaves=11", "leaf_value must be 11 finite numbers"),
        ("num_leaves=12", f"num_leaves={10**30}", "at most 64 can be read"),
        ("num_leaves=12", "num_leaves=x", "num_leaves cannot be read"),
        ("\nthreshold=", "\nthreshold=nan ", "threshold must be 11 finite numbers"),
        ("\nleaf_value=", "\nleaf_worth=", "leaf_value cannot be read"),
        ("decision_type=", "decision_type=1 ", "decision_type must be 11 finite numbers"),
        ("end of trees", "end", "not a whole LightGBM model"),
        ("Tree=0", "Tree:0", None),
    ],
)
def test_a_text_that_is_not_ours_is_refused(text, old, new, message):
    if message:
        with pytest.raises(ValueError, match=message):
            read_forest(text.replace(old, new).encode(), WIDTH)
    else:  # a tree less is a model too
        assert read_forest(text.replace(old, new).encode(), WIDTH).value.shape[1] == 19


def edit(text, name, index, value):
    """Change one number of the first tree."""
    before, line, rest = text.partition(f"\n{name}=")
    numbers, end, after = rest.partition("\n")
    words = numbers.split()
    words[index % len(words)] = value
    return before + line + " ".join(words) + end + after


@pytest.mark.parametrize("value", ["0", "5", "99", "-99", str(2**70), "1.5", "x", ""])
@pytest.mark.parametrize("name", ["left_child", "right_child", "split_feature", "decision_type"])
def test_an_index_that_leads_nowhere_is_refused(text, name, value):
    for index in range(11):
        edited = edit(text, name, index, value)
        if edited == text or (name, value) in {("split_feature", "0"), ("split_feature", "5")}:
            continue  # the same, or a tree that could be
        if (name, value) == ("decision_type", "0"):
            continue
        with pytest.raises(ValueError, match="train|not ours"):
            read_forest(edited.encode(), WIDTH)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.data())
def test_damaged_text_is_a_forest_or_one_line(text, data):
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        forest = read_forest(bytes(content), WIDTH)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(sums(forest, rows(3))).all()
