"""The arrays a router is trained and measured on.

Not a reader: whoever owns the outcome tables turns them into a `TrainData`, so that everything in
this package runs on plain arrays, without the model and without the label files. Features alone may
be `Rows`, which are read block by block where they are used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3_backbone.serialization import sha256
from predictor.clusters import name_clusters
from predictor.rows import Features, is_finite, pick_rows

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int64]
NameArray = NDArray[Any]

Results = dict[str, Any]
"""A part of results.json."""

Extras = Mapping[str, Features]
"""Features that were only measured if asked for: name of their block to rows [n, width]."""

NOTHING: Extras = MappingProxyType({})

OPTIONS = "options"
"""Name of the metadata that counts the options of a multiple-choice question."""

TOKENS = "tokens"

UNITS = {TOKENS: "visual tokens", "flops": "GFLOP", "ms": "ms"}
"""Units of the cost per question: name to how it is printed."""

TOGETHER = " (those that one question is about count as one)"
"""How images are counted, for messages."""


@dataclass(frozen=True)
class TrainData:
    """One split of outcomes with its features, a row per question.

    Attributes:
        sample_ids: unique name of each question [n].
        image_ids: content hash of each question's image, or of several together [n].
        groups: question family or dataset name [n].
        coarse: pooled visual tokens of the two smallest scales [n, t, D], the 1-token level first
            (t = 10 where the scales start 1, 9).
        question: question embedding [n, D].
        scores: what each scale achieved [n, s], each in [0, 1].
        tokens: visual tokens each scale spends on the row [n, s].
        scales: the s scales, ascending, in the columns' order.
        meta: numbers known about a question but not given to a router [n, m], NaN where a number
            does not apply; for the omniscient router.
        meta_names: names of the m columns of `meta`.
        confidence: mean log-probability of the model's answer at each scale [n, s]; for the
            cascade.
        lengths: characters of each question [n]; for a control.
        costs: what each scale costs in other units than tokens, by name in `UNITS` [n, s].
        extras: features of the optional blocks, by block [n, width].
        repeats: scores of each question, asked k times under what should change nothing [n, k, s],
            those in `scores` first; None where it was asked once. They measure luck; a router
            learns and is calibrated by `scores`, since what will be asked are questions as they
            stand, and what repeats change may be more than luck to a model.
        members: content hashes of each question's images, a tuple each [n]; None where each is
            about one.
    """

    sample_ids: NameArray
    image_ids: NameArray
    groups: NameArray
    coarse: Features
    question: Features
    scores: FloatArray
    tokens: FloatArray
    scales: tuple[int, ...]
    meta: FloatArray | None = None
    meta_names: tuple[str, ...] = ()
    confidence: FloatArray | None = None
    lengths: FloatArray | None = None
    costs: Mapping[str, FloatArray] = field(default_factory=dict)
    extras: Extras = field(default_factory=dict)
    repeats: FloatArray | None = None
    members: NameArray | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
        if list(self.scales) != sorted(set(self.scales)):
            raise ValueError(f"scales must be ascending and distinct, got {self.scales}")
        if not np.all((self.outcomes >= 0) & (self.outcomes <= 1)):
            raise ValueError("scores must lie in [0, 1] and not be NaN")
        numbers = {name: getattr(self, name) for name in ("coarse", "question", "tokens")}
        for name, values in {**numbers, **self.costs, **self.extras}.items():
            if not is_finite(values):
                raise ValueError(f"{name} holds NaN or infinite numbers; label those rows again")

    def _check_shapes(self) -> None:
        n, s = len(self.sample_ids), len(self.scales)
        width = np.shape(self.coarse)[-1]
        wanted: dict[str, tuple[int | None, ...]] = {
            "image_ids": (n,),
            "groups": (n,),
            "coarse": (n, None, width),
            "question": (n, width),
            "scores": (n, s),
            "tokens": (n, s),
        }
        extras: dict[str, tuple[int | None, ...]] = {
            "meta": (n, len(self.meta_names)),
            "confidence": (n, s),
            "lengths": (n,),
            "repeats": (n, None, s),
            "members": (n,),
        }
        wanted.update({k: v for k, v in extras.items() if getattr(self, k) is not None})
        values = {name: getattr(self, name) for name in wanted}
        values.update(self.costs)
        values.update(self.extras)
        wanted.update(dict.fromkeys(self.costs, (n, s)))
        wanted.update(dict.fromkeys(self.extras, (n, None)))
        for name, shape in wanted.items():
            got = np.shape(values[name])
            fits = len(got) == len(shape)
            if not fits or any(w not in (None, g) for w, g in zip(shape, got, strict=True)):
                raise ValueError(f"{name} must have shape {shape}, got {got}")

    def __len__(self) -> int:
        return len(self.sample_ids)

    @cached_property
    def clusters(self) -> NameArray:
        """Which rows belong together, by name [n]; all that goes by image is given these.

        The image of each question; images that one question is about count as one.
        """
        return name_clusters(self.image_ids, self.members)

    @property
    def n_images(self) -> int:
        """Number of different images; those of one cluster count as one."""
        return len(np.unique(self.clusters))

    @property
    def pictures(self) -> NameArray:
        """Content hashes of each question's images, one or several [n]."""
        return self.image_ids[:, None] if self.members is None else self.members

    @property
    def all_images(self) -> set[str]:
        """Ids of all images, and of those together that a question is about."""
        return set(map(str, chain(self.image_ids, *self.pictures)))

    def take(self, rows: IntArray) -> "TrainData":
        """Keep the rows of these numbers [k], in their order."""
        names = ("sample_ids", "image_ids", "groups", "scores", "tokens")
        optional = ("meta", "confidence", "lengths", "repeats", "members")
        given = [k for k in optional if getattr(self, k) is not None]
        costs = {unit: values[rows] for unit, values in self.costs.items()}
        extras = {block: pick_rows(values, rows) for block, values in self.extras.items()}
        parts = {name: getattr(self, name)[rows] for name in (*names, *given)}
        parts.update({k: pick_rows(getattr(self, k), rows) for k in ("coarse", "question")})
        return replace(self, **parts, costs=costs, extras=extras)

    @property
    def outcomes(self) -> FloatArray:
        """Scores of all repeats [n, k, s]; k is 1 where each question was asked once."""
        return self.scores[:, None] if self.repeats is None else self.repeats

    def cost(self, unit: str) -> FloatArray:
        """Give what each scale costs.

        Args:
            unit: one of `UNITS`.

        Returns:
            Costs [n, s].

        Raises:
            ValueError: if the split does not know them.
        """
        known = {TOKENS: self.tokens, **self.costs}
        if unit not in known:
            raise ValueError(f"costs are known in {', '.join(known)}, not in {unit!r}")
        return np.asarray(known[unit], np.float64)

    def fingerprint(self) -> str:
        """Name the split by its questions and outcomes.

        Returns:
            First 16 hex digits of a SHA-256.
        """
        names = "\n".join(str(name) for name in self.sample_ids).encode()
        scores = np.ascontiguousarray(self.scores, dtype="<f8").tobytes()
        scales = repr(tuple(int(scale) for scale in self.scales)).encode()
        return sha256(names + scores + scales)[:16]


def split_by_image(image_ids: NameArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Split rows in two so that no image is on both sides.

    Args:
        image_ids: image of each row [n].
        share: share of the images on the second side, between 0 and 1.
        seed: seed of the shuffle.

    Returns:
        Row numbers of the first side and of the second side, both ascending.

    Raises:
        ValueError: if `share` is not strictly between 0 and 1 or there are fewer than two images.

    >>> train, held_out = split_by_image(np.array(["a", "a", "b", "c"]), share=0.34, seed=0)
    >>> train, held_out
    (array([0, 1, 2]), array([3]))
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie strictly between 0 and 1, got {share}")
    images, owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    if len(images) < 2:
        raise ValueError(f"splitting by image needs at least 2 images, got {len(images)}{TOGETHER}")
    # Each side gets an image, whatever the share rounds to.
    count = min(max(round(share * len(images)), 1), len(images) - 1)
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    second = np.isin(owner, chosen)
    return np.flatnonzero(~second), np.flatnonzero(second)


def first_of_images(image_ids: NameArray) -> IntArray:
    """Give a row of every image, in the order of their names."""
    return np.unique(np.asarray(image_ids).astype(str), return_index=True)[1]


def image_folds(image_ids: NameArray, folds: int, rng: np.random.Generator) -> IntArray:
    """Deal the images to folds.

    Args:
        image_ids: image of each row [n].
        folds: number of folds.
        rng: source of the shuffle.

    Returns:
        Fold of each row [n]; all rows of an image share one.

    Raises:
        ValueError: if there are fewer images than folds.
    """
    images, owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    if len(images) < folds:
        raise ValueError(f"training needs at least {folds} images, got {len(images)}{TOGETHER}")
    # A shuffled number per image, dealt in turn: folds differ by one image at most.
    return np.asarray(rng.permutation(len(images))[owner] % folds, np.int64)
