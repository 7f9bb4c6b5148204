from dataclasses import replace

import numpy as np
import pytest

from predictor.features.blocks import BLOCKS, PICTURE, USUAL, Block, FeatureSettings
from predictor.features.feature_map import FeatureMap
from predictor.routers.arrays import pack_arrays

SMALL = {"one_width": 4, "grid_width": 5, "spread_width": 3, "question_width": 6}


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(40), 3)
    coarse = rng.normal(size=(40, 10, 12))[images]
    question = rng.normal(size=(120, 12))
    correct = (rng.random((120, 2)) < 0.5).astype(float)
    return coarse, question, correct, images


@pytest.fixture(scope="module")
def fitted(inputs):
    actual = FeatureMap(FeatureSettings(**SMALL))
    return actual, actual.fit_transform(*inputs)


@pytest.mark.parametrize(
    ("blocks", "width"),
    [
        # 4 + 5 + 3 directions, 5 token lengths, 2 steps, 2 ridge columns.
        (PICTURE, 12 + 7 + 2),
        (("one",), 4 + 2),
        (("grid",), 5 + 2),
        (("statistics",), 3 + 7 + 2),
        # 6 directions, 2 ridge columns.
        (("question",), 6 + 2),
        # All of it, 5 matches and 2 ridge columns of the products.
        (USUAL, 21 + 8 + 5 + 2),
        ((*PICTURE, "question"), 21 + 8),
        # The match with one token and the products of its directions.
        (("one", "question", "interactions"), 6 + 8 + 1 + 2),
        (("statistics", "question", "interactions"), 12 + 8 + 2),
        (("question", "interactions"), 8),
        # Alone: the 5 matches and the 2 ridge columns.
        (("interactions",), 5 + 2),
    ],
)
def test_rows_hold_the_columns_of_their_blocks(inputs, blocks, width):
    rows = FeatureMap(FeatureSettings(blocks=blocks, **SMALL)).fit_transform(*inputs)
    assert rows.shape == (120, width)
    assert np.all(np.isfinite(rows))


def test_transform_agrees_but_for_the_ridge_columns(fitted, inputs):
    features, rows = fitted
    again = features.transform(*inputs[:2])
    assert again.shape == rows.shape
    assert again[:, :-6] == pytest.approx(rows[:, :-6], abs=1e-5)
    assert not np.allclose(again[:, -6:], rows[:, -6:])


def test_ridge_columns_of_training_rows_do_not_leak_their_scores(inputs):
    # With coin flips for scores and as many products as rows, only a leak could look right.
    coarse, question, correct, images = inputs
    settings = FeatureSettings(folds=5)
    rows = FeatureMap(settings).fit_transform(coarse, question, correct, images)
    agreement = [np.corrcoef(rows[:, -2 + k], correct[:, k])[0, 1] for k in (0, 1)]
    assert max(agreement) < 0.3


def test_one_block_ignores_the_other(inputs):
    coarse, question, *rest = inputs
    only = FeatureMap(FeatureSettings(blocks=("question",), **SMALL))
    rows = only.fit_transform(coarse, question, *rest)
    other = FeatureMap(FeatureSettings(blocks=("question",), **SMALL))
    assert np.array_equal(rows, other.fit_transform(coarse * 0 + 1, question, *rest))
    picture = FeatureMap(FeatureSettings(blocks=PICTURE, **SMALL))
    rows = picture.fit_transform(coarse, question, *rest)
    assert np.array_equal(
        picture.transform(coarse, question), picture.transform(coarse, question[::-1])
    )


def test_rows_do_not_depend_on_their_batch(fitted, inputs):
    actual, _ = fitted
    coarse, question = inputs[:2]
    alone = np.vstack([actual.transform(coarse[i : i + 1], question[i : i + 1]) for i in range(9)])
    assert actual.transform(coarse[:9], question[:9]) == pytest.approx(alone, abs=1e-5)


def test_the_same_seed_gives_the_same_rows(fitted, inputs):
    again = FeatureMap(FeatureSettings(**SMALL))
    assert np.array_equal(again.fit_transform(*inputs), fitted[1])
    assert again.to_bytes() == fitted[0].to_bytes()


@pytest.mark.parametrize("blocks", [PICTURE, ("question",), ("interactions",), USUAL])
def test_a_saved_map_gives_the_same_rows(inputs, blocks):
    actual = FeatureMap(FeatureSettings(blocks=blocks, **SMALL))
    actual.fit_transform(*inputs)
    loaded = FeatureMap.from_bytes(actual.to_bytes())
    assert loaded.settings.blocks == blocks
    assert np.array_equal(loaded.transform(*inputs[:2]), actual.transform(*inputs[:2]))


def test_extras_are_blocks_like_the_others(inputs):
    rng = np.random.default_rng(3)
    extras = {"pixels": rng.normal(size=(120, 7)), "state": rng.normal(size=(120, 12))}
    narrow = FeatureSettings(pixels_width=3, state_width=4, **SMALL)
    plain = FeatureMap(FeatureSettings(**SMALL)).fit_transform(*inputs, extras)
    assert np.array_equal(plain, FeatureMap(FeatureSettings(**SMALL)).fit_transform(*inputs))
    actual = FeatureMap(replace(narrow, blocks=(*USUAL, "pixels", "state")))
    # Their directions, and two ridge columns each.
    assert actual.fit_transform(*inputs, extras).shape == (120, plain.shape[1] + 3 + 4 + 2 + 2)
    loaded = FeatureMap.from_bytes(actual.to_bytes())
    rows = loaded.transform(*inputs[:2], extras)
    assert np.array_equal(rows, actual.transform(*inputs[:2], extras))
    assert not np.array_equal(
        rows, actual.transform(*inputs[:2], {**extras, "state": extras["state"][::-1]})
    )
    with pytest.raises(
        ValueError, match=r"block 'state' is not in .* `m3scale label --extra state"
    ):
        actual.transform(*inputs[:2], {"pixels": extras["pixels"]})


def test_match_is_the_cosine_with_the_question():
    # One image shows the question's own direction, the others its opposite or something else.
    rng = np.random.default_rng(0)
    question = rng.normal(size=(30, 8))
    coarse = np.repeat(question[:, None], 10, axis=1)
    coarse[:15] *= -1
    actual = FeatureMap(FeatureSettings(**SMALL))
    rows = actual.fit_transform(coarse, question, np.ones((30, 1)), np.arange(30))
    match = rows[:, -8]  # before: 4 summaries of the nine matches and 3 ridge columns
    assert match[15:].mean() > 0.8
    assert match[:15].mean() < -0.8


@pytest.mark.parametrize("blocks", [(), ("picture",)])
def test_unknown_blocks_are_refused(blocks):
    with pytest.raises(ValueError, match="blocks must be some of"):
        FeatureSettings(blocks=blocks)


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        FeatureSettings(folds=1)


def test_too_few_images_are_refused(inputs):
    coarse, question, correct, _ = inputs
    with pytest.raises(ValueError, match="training needs at least 5 images, got 1"):
        FeatureMap().fit_transform(coarse, question, correct, np.zeros(120))


@pytest.mark.parametrize(
    ("coarse", "question"),
    [((3, 12), (3, 12)), ((3, 1, 12), (3, 12)), ((3, 10, 12), (3, 11)), ((3, 10, 12), (2, 12))],
)
def test_wrong_shapes_are_refused(fitted, coarse, question):
    with pytest.raises(ValueError, match=r"expected coarse \[n, t, D\]"):
        fitted[0].transform(np.zeros(coarse), np.zeros(question))


def test_another_model_is_refused(fitted):
    with pytest.raises(ValueError, match=r"coarse must be \[n, 10, 12\] as in training"):
        fitted[0].transform(np.zeros((1, 5, 12)), np.zeros((1, 12)))


def test_an_unfitted_map_says_so():
    with pytest.raises(ValueError, match="not fitted"):
        FeatureMap().transform(np.zeros((1, 10, 12)), np.zeros((1, 12)))
    with pytest.raises(ValueError, match="not fitted"):
        FeatureMap().to_bytes()


def test_steps_by_hand():
    # Columns differ by 3, rows by 4, in the first dimension.
    grid = (3.0 * np.arange(3)[None] + 4.0 * np.arange(3)[:, None]).reshape(9, 1)
    coarse = np.concatenate([np.zeros((1, 10, 1)), np.r_[np.zeros((1, 1)), grid][None]])
    rng = np.random.default_rng(0)
    actual = FeatureMap(FeatureSettings(blocks=("statistics",), spread_width=1, folds=2))
    rows = actual.fit_transform(coarse, rng.normal(size=(2, 1)), np.ones((2, 1)), np.arange(2))
    assert rows[1, -3:-1].tolist() == [3.0, 4.0]
    # The mean length is 7: lengths 0, 3, 6, 4, 7, 10, 8, 11, 14.
    assert rows[1, -7] == pytest.approx(7.0)


def test_a_block_of_another_version_is_refused(fitted, monkeypatch):
    content = fitted[0].to_bytes()
    monkeypatch.setitem(BLOCKS, "grid", Block(7, "another grid"))
    with pytest.raises(ValueError, match="block 'grid' has version 1, this program makes 7"):
        FeatureMap.from_bytes(content)


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="not a feature map"):
        FeatureMap.from_bytes(pack_arrays({"a": np.ones(1)}))
