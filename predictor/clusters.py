"""Which rows belong together: those whose questions have an image in common.

Rows of different clusters are independent of each other. So a cluster is never parted by a split or
a fold, is drawn whole by a bootstrap and counts once in a certificate. Where every question is
about one image, the clusters are the images. Near-equal images are another matter, see
`splitting.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def name_clusters(
    image_ids: NDArray[Any], members: Sequence[Sequence[str]] | NDArray[Any] | None
) -> NDArray[Any]:
    """Name the cluster of each row.

    Args:
        image_ids: content hash of each question's image, or of several together [n].
        members: content hashes of each question's images [n]; None where each is about one.

    Returns:
        The first image id of the row's cluster, in the order of the alphabet [n]; so its own where
        it shares no image with another.

    >>> members = [("a", "b"), ("c",), ("b", "d")]
    >>> name_clusters(np.array(["ab", "c", "bd"]), members).tolist()
    ['ab', 'c', 'ab']
    """
    names, owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    if members is None:
        return np.asarray(names[owner])
    joined = join_groups(owner, members)  # [n]
    first = np.full(joined.max() + 1, len(names))
    np.minimum.at(first, joined, owner)  # names are in order, so the least number comes first
    return np.asarray(names[first[joined]])


def join_groups(
    groups: NDArray[np.int64], members: Sequence[Sequence[str]] | NDArray[Any]
) -> NDArray[np.int64]:
    """Make one group of those that have a picture in common.

    Args:
        groups: group of each row, numbered from 0 [n].
        members: content hashes of each row's pictures, where a question is about several [n].

    Returns:
        Group of each row [n], numbered from 0.

    >>> join_groups(np.array([0, 1, 2]), [("a", "b"), ("c",), ("b", "d")])
    array([0, 1, 0])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.repeat(groups, [len(row) for row in members])
    names, column = np.unique([name for row in members for name in row], return_inverse=True)
    count = int(groups.max()) + 1
    side = count + len(names)  # the nodes are groups, then pictures
    links = coo_array((np.ones(len(rows)), (rows, count + column)), shape=(side, side))
    joined = connected_components(links, directed=False)[1][groups]
    return np.asarray(np.unique(joined, return_inverse=True)[1], np.int64)
