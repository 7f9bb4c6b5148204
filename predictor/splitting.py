"""One data set in, several parts out: no picture in two parts, every group in all of them.

Pictures that look the same to the model stay together, not those with equal pixels alone: a file
that was compressed or resized anew is the same picture. This is arithmetic on arrays; which rows a
command uses, and what it records, is the business of its caller.
"""

from collections.abc import Sequence

import numpy as np

from predictor.data import FloatArray, IntArray, NameArray
from predictor.rows import Features

NEAR = (0.2, 0.1, 0.05, 0.02, 0.01)
"""Largest distance of near-equal pictures, as a share of the data set's own spread.

The first that makes no crowd counts. With the embedded model, JPEG of quality 85 moves a picture by
0.03 (at most 0.10), while of 1,000 pictures of scenes-v3 no two are within 0.24, and of as many of
scenes-v2 three pairs are within 0.2. Pictures of few kinds, such as plain colours, are closer.
"""

CROWD = 0.1
"""Share of all pictures that is too large for versions of one: they are links of a chain."""

FEWEST = 8
"""Versions of one picture that are never a crowd."""

DIRECTIONS = 8
"""Leading directions in which pairs are looked for before all of their tokens are compared."""

MOST_PAIRS = 1024
"""Pairs whose tokens are compared at a time."""


def group_pictures(
    image_ids: NameArray, coarse: Features, distances: Sequence[float] = NEAR
) -> IntArray:
    """Find rows that are about equal or near-equal pictures.

    Two pictures are near-equal if the distance of their coarse tokens is at most some share of the
    spread, the root mean square distance of all pictures from their mean. What is near-equal to
    near-equal pictures is in their group as well.

    Args:
        image_ids: content hash of each row's picture [n].
        coarse: coarse tokens of each row's picture [n, t, D].
        distances: largest distance as a share of the spread, and what to take instead, one after
            the other, while a group is a crowd.

    Returns:
        Group of each row [n], numbered from 0.

    >>> tokens = np.array([[[0.0]], [[0.0]], [[10.0]], [[10.1]]])
    >>> group_pictures(np.array(["a", "a", "b", "c"]), tokens)
    array([0, 0, 1, 1])
    """
    _, first, owner = np.unique(
        np.asarray(image_ids).astype(str), return_index=True, return_inverse=True
    )
    pictures = coarse[first].reshape(len(first), -1).astype(np.float32)  # [p, t * D]
    pictures -= pictures.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.sum(pictures**2, axis=1))))
    for distance in distances:
        groups = _link(pictures, distance * spread)
        if np.bincount(groups).max() <= max(CROWD * len(pictures), FEWEST):
            break
    return groups[owner]


def _link(pictures: FloatArray, radius: float) -> IntArray:
    """Number the groups of rows [p, d] that hang together by links of at most `radius` [p]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = _find_pairs(pictures, radius).T
    shape = (len(pictures), len(pictures))
    links = coo_array((np.ones(len(left)), (left, right)), shape=shape)
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _find_pairs(pictures: FloatArray, radius: float) -> IntArray:
    """List the pairs of rows [p, d] that are at most `radius` apart [pairs, 2]."""
    from scipy.spatial import KDTree

    # A distance in some orthonormal directions is never larger than the whole one, so that no pair
    # is missed; some hundred pictures show well enough in which directions they differ.
    sample = pictures[:: -(-len(pictures) // 512)]
    directions = np.linalg.svd(sample, full_matrices=False)[2][:DIRECTIONS]
    # A little more, since float32 rounds the places.
    pairs = KDTree(pictures @ directions.T).query_pairs(radius * 1.001, output_type="ndarray")
    near = [
        block[np.linalg.norm(pictures[block[:, 0]] - pictures[block[:, 1]], axis=1) <= radius]
        for block in np.array_split(pairs, -(-len(pairs) // MOST_PAIRS) or 1)
    ]
    return np.concatenate(near)


def deal_rows(
    pictures: IntArray, strata: NameArray, shares: Sequence[float], seed: int
) -> list[IntArray]:
    """Deal rows to parts so that each part has its share of every stratum.

    Pictures are dealt in random order, those with most rows first, each to the part that then
    comes nearest to what it should have (least sum of squares over expectation, as in a chi-squared
    test, over the strata and over all rows).

    Args:
        pictures: picture of each row [n]; rows of one are never parted.
        strata: group of each row [n].
        shares: share of the rows of each part [p], positive numbers with the sum 1.
        seed: seed of the order.

    Returns:
        Row numbers of each part [p], ascending.

    Raises:
        ValueError: if there are too few pictures to give every part one.

    >>> rows = np.arange(6)
    >>> [len(part) for part in deal_rows(rows, rows % 2, (0.5, 0.5), seed=0)]
    [3, 3]
    """
    counts = _count_rows(pictures, strata)  # [pictures, strata + 1]
    wanted = np.outer(shares, counts.sum(axis=0))  # [p, strata + 1]
    missing = wanted.copy()
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    order = shuffled[np.argsort(-counts[shuffled, -1], kind="stable")]
    dealt = np.empty(len(counts), np.int64)
    for picture in order:
        row = counts[picture]
        # What the sum of (missing)^2 / wanted grows by, if the part gets this picture.
        growth = np.sum(row * (row - 2 * missing) / wanted, axis=1)
        dealt[picture] = np.argmin(growth)
        missing[dealt[picture]] -= row
    parts = [np.flatnonzero(dealt[pictures] == part) for part in range(len(shares))]
    if not all(map(len, parts)):
        asked = "/".join(f"{100 * share:g}" for share in shares)
        raise ValueError(
            f"{len(counts)} different pictures (near-equal ones are one) are too few for parts of "
            f"{asked} percent; label more"
        )
    return parts


def _count_rows(pictures: IntArray, strata: NameArray) -> FloatArray:
    """Count the rows of each picture in each stratum and, in the last column, in all."""
    names, column = np.unique(np.asarray(strata).astype(str), return_inverse=True)
    counts = np.zeros((int(pictures.max()) + 1, len(names) + 1))
    # add.at and not +=, which would count a repeated pair once.
    np.add.at(counts, (pictures, column), 1)
    counts[:, -1] = counts[:, :-1].sum(axis=1)
    return counts
