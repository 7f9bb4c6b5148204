"""No picture in two parts, whatever the data set looks like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.splitting import NEAR, deal_rows, group_pictures

generated = settings(derandomize=True, deadline=None, max_examples=60)
SHARES = (0.6, 0.2, 0.2)


@st.composite
def data_sets(draw):
    """Pictures, some in several versions under other hashes, and questions about them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pictures, width = draw(st.integers(20, 60)), draw(st.integers(2, 40))
    base = rng.normal(size=(pictures, 2, width)) * draw(st.sampled_from([1e-3, 1, 100]))
    base += draw(st.sampled_from([0, 10]))  # what all pictures have in common tells nothing
    spread = np.sqrt(np.mean(np.sum((base - base.mean(0)) ** 2, axis=(1, 2))))
    original = rng.integers(pictures, size=draw(st.integers(pictures, 3 * pictures)))
    version = rng.integers(draw(st.integers(1, 3)), size=len(original))
    # Each version is moved by less than a third of what counts as near in any data set.
    away = rng.normal(size=(pictures, 3, 2, width))
    away *= spread * NEAR[-1] * 0.3 / np.linalg.norm(away, axis=(2, 3), keepdims=True)
    names = np.array([f"{o}-{v}" for o, v in zip(original, version, strict=True)])
    strata = np.array(["often", "often", "seldom"])[rng.integers(3, size=len(original))]
    return names, strata, base[original] + away[original, version], original


@generated
@given(data_sets())
def test_versions_of_a_picture_are_one_group(data):
    names, _, coarse, original = data
    groups = group_pictures(names, coarse)
    assert groups.min() == 0 and len(set(groups)) == groups.max() + 1
    for picture in set(original):
        assert len(set(groups[original == picture])) == 1


@generated
@given(data_sets())
def test_groups_are_those_of_comparing_every_pair(data):
    names, _, coarse, _ = data
    names, first = np.unique(names, return_index=True)
    flat = coarse[first].reshape(len(first), -1)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    radius = 0.2 * np.sqrt(np.mean(np.sum((flat - flat.mean(0)) ** 2, axis=1)))
    linked = apart <= radius
    for _ in names:  # what is linked to linked ones is linked
        linked = linked @ linked
    groups = group_pictures(names, coarse[first], (0.2,))
    np.testing.assert_array_equal(groups[:, None] == groups[None], linked)


@generated
@given(data_sets(), st.integers(0, 2**32 - 1))
def test_parts_share_no_picture_and_lose_no_row(data, seed):
    names, strata, coarse, original = data
    groups = group_pictures(names, coarse)
    parts = deal_rows(groups, strata, SHARES, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(names)))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not set(original[parts[one]]) & set(original[parts[other]])
        assert not set(names[parts[one]]) & set(names[parts[other]])


@generated
@given(data_sets(), st.integers(0, 2**32 - 1))
def test_shares_and_strata_are_kept(data, seed):
    names, strata, coarse, _ = data
    groups = group_pictures(names, coarse)
    # A picture is dealt whole, so that a part may miss its share by about the largest one.
    largest = np.bincount(groups).max()
    for rows, share in zip(deal_rows(groups, strata, SHARES, seed), SHARES, strict=True):
        assert abs(len(rows) - share * len(names)) <= largest
        for stratum in ("often", "seldom"):
            asked = np.sum(strata == stratum)
            assert abs(np.sum(strata[rows] == stratum) - share * asked) <= 2 * largest


@generated
@given(data_sets(), st.integers(0, 2**31))
def test_the_seed_decides(data, seed):
    names, strata, coarse, _ = data
    groups = group_pictures(names, coarse)
    first, again = (deal_rows(groups, strata, SHARES, seed) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    others = [deal_rows(groups, strata, SHARES, seed + more) for more in range(1, 6)]
    assert any(set(other[2]) != set(first[2]) for other in others)


def test_equal_hashes_are_one_picture_whatever_their_tokens():
    assert group_pictures(np.array(["a", "b", "a"]), np.eye(3)[:, None]).tolist() == [0, 1, 0]


@generated
@given(st.integers(30, 300), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_pictures_of_few_kinds_are_no_chain(count, width, seed):
    # Plain greys and colours lie close together, and are different pictures all the same.
    levels = np.random.default_rng(seed).integers(256, size=(count, 1, width))
    coarse = np.unique(levels, axis=0).astype(np.float64)
    groups = group_pictures(np.arange(len(coarse)), coarse)
    assert np.bincount(groups).max() <= max(len(coarse) / 10, 8)


def test_pictures_that_all_look_alike_are_one():
    assert group_pictures(np.array(["a", "b", "c"]), np.ones((3, 1, 4))).tolist() == [0, 0, 0]


def test_too_few_pictures_are_refused():
    with pytest.raises(
        ValueError, match="2 different pictures .* are too few for parts of 60/20/20"
    ):
        deal_rows(np.array([0, 1, 1]), np.array(["g"] * 3), SHARES, 0)
