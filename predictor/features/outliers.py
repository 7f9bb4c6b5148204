"""How far a question or its picture lies from all that the router was trained on.

A rank, not a probability of being wrong: the Mahalanobis distance of the picture as a whole (its
1-token level), of its places (how each token of the next level differs from the whole) and of the
question's embedding, each of length 1, so that only their direction counts: a camera's photograph
is no longer a vector than a training picture, but points elsewhere. What is longer instead, as fine
noise is to a model that has learnt to look through it, shows in the picture's length. A router
knows nothing out there, so the policy may take the largest scale, which loses no answer against
itself.

What to look at was chosen on pictures of dead leaves, fractals, waves and blurred shapes that were
drawn for it, by the share found at a fixed share of false alarms; photographs only judged it.

Source: Mueller and Hein 2025 (arXiv 2505.18032) for distances of normalised features; Tipping and
    Bishop 1999, Probabilistic principal component analysis, for the directions that are left out;
    Lee, Mumford and Huang 2001, Occlusion models for natural images, for dead leaves.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray, IntArray, TrainData, first_of_images
from predictor.features.projections import Blocks, fit_pca, measure_columns
from predictor.routers.arrays import ANY, pack_arrays, unpack_arrays
from predictor.rows import Features, cut_chosen

OUTLIER = 0.02
"""Share of inputs like the calibration split's that are taken for unfamiliar, by default."""

_PARTS = {"picture": "Dk", "places": "Pm", "question": "Dl"}
"""What is looked at, and a letter each for its width and its number of directions."""

_LEARNT = {
    "from": "{0}",
    "shrink": "{0}",
    "center": "{0}",
    "spread": "{0}",
    "basis": "{0}{1}",
    "precision": "{1}",
    "rest": "",
}
_AXES = {
    f"{part}.{name}": axes.format(*letters)
    for part, letters in _PARTS.items()
    for name, axes in _LEARNT.items()
} | {"picture.ranks": ANY, "question.ranks": ANY, "length.ranks": ANY}
_PLACES = [name for name in _AXES if name.startswith("places")]
_LATER = [*_PLACES, "length.ranks"]
"""Missing in older routers: the first ones look at the direction of the whole picture alone."""

_FLOOR = 1e-4
"""Least variance of a direction, against the mean; a smaller one is rounding."""


@dataclass(frozen=True)
class DensitySettings:
    """Settings of the gate.

    Attributes:
        picture_width: principal directions of pictures that have a variance of their own; all
            others share one.
        places_width, question_width: the same of the places of pictures and of questions.
        pictures: pictures to learn from at most; more make no distance better.
        ranks: distances of calibration pictures, and of questions, that are kept, evenly spread
            over their order.
        seed: seed of the randomised PCA.
    """

    picture_width: int = 96
    places_width: int = 400
    question_width: int = 48
    pictures: int = 4096
    ranks: int = 1001
    seed: int = 0


class DensityGate:
    """Mahalanobis distance from the training rows, as a rank among the calibration rows.

    Attributes:
        arrays_: everything learnt, by name.
    """

    def __init__(self, arrays: dict[str, FloatArray]) -> None:
        self.arrays_ = arrays

    @classmethod
    def fit(
        cls, train: TrainData, calibration: TrainData, settings: DensitySettings
    ) -> "DensityGate":
        """Learn the directions of one split and the distances on another.

        Args:
            train: the split that the router learns from.
            calibration: rows of other images.
            settings: widths and ranks.
        """
        rng = np.random.default_rng(settings.seed)
        gate = cls({})
        pictures = first_of_images(train.image_ids)  # one with many questions counts once
        pictures = pictures[:: -(-len(pictures) // settings.pictures)]
        gate._fit_part("picture", train.coarse, pictures, settings.picture_width, rng)
        gate._fit_part("places", train.coarse, pictures, settings.places_width, rng)
        questions = np.arange(len(train))
        gate._fit_part("question", train.question, questions, settings.question_width, rng)
        once = first_of_images(calibration.image_ids)
        for part, values in gate._distances(calibration.coarse, calibration.question).items():
            # What hangs on the picture alone is known once per image, however much is asked of it.
            known = values if part == "question" else values[once]
            # Quantiles instead of all distances: as good a rank, in a file of fixed size.
            levels = np.linspace(0, 1, min(settings.ranks, len(known)))
            gate.arrays_[f"{part}.ranks"] = np.quantile(known, levels)
        return gate

    def _fit_part(
        self, part: str, source: Features, rows: IntArray, width: int, rng: np.random.Generator
    ) -> None:
        blocks = _read_part(part, source, rows)
        columns = measure_columns(blocks)[part]
        center, shrink = columns.center, columns.shrink
        learnt = {"from": center, "shrink": shrink}

        def units() -> Iterator[dict[str, FloatArray]]:
            return ({part: _normalise(block[part], center, shrink)} for block in blocks())

        measured = measure_columns(units)
        learnt["center"], projection = fit_pca(units, measured, {part: width}, rng)[part]
        spread = np.maximum(measured[part].spread, 1e-9)
        # The projection holds 1 / spread and 1 / the deviation of each direction; both go apart.
        basis = projection * spread[:, None]  # [D, k]
        lengths = np.sqrt((basis**2).sum(axis=0))
        real = lengths > 0
        basis, variances = basis[:, real] / lengths[real], 1.0 / lengths[real] ** 2
        # Columns are standardised: the variances of all directions add up to their number.
        left = max(len(spread) - variances.sum(), 0.0) / max(len(spread) - len(variances), 1)
        learnt.update(
            spread=spread,
            basis=basis,
            precision=1.0 / np.maximum(variances, _FLOOR),
            rest=np.array(1.0 / max(left, _FLOOR)),
        )
        self.arrays_.update({f"{part}.{k}": np.asarray(v, np.float32) for k, v in learnt.items()})

    def _distances(self, coarse: Features, question: Features) -> dict[str, FloatArray]:
        picture = self._measure_rows("picture", coarse)
        if "places.basis" in self.arrays_:
            # Their product: a picture may be a little strange in both ways and far out in none.
            # The 1 is for models whose places are all alike, at no distance.
            picture = picture * (1.0 + self._measure_rows("places", coarse))
        distances = {"picture": picture, "question": self._measure_rows("question", question)}
        return distances | {"length": self._measure_lengths(coarse)}

    def _measure_lengths(self, coarse: Features) -> FloatArray:
        center, shrink = self.arrays_["picture.from"], self.arrays_["picture.shrink"]
        blocks = _read_part("picture", coarse, np.arange(len(coarse)))()
        squares = [((block["picture"] - center) * shrink) ** 2 for block in blocks]
        return np.concatenate([square.mean(axis=1) for square in squares])

    def _measure_rows(self, part: str, source: Features) -> FloatArray:
        blocks = _read_part(part, source, np.arange(len(source)))()
        return np.concatenate([self._measure(part, block[part]) for block in blocks])

    def _measure(self, part: str, rows: FloatArray) -> FloatArray:
        learnt = {name: self.arrays_[f"{part}.{name}"] for name in _LEARNT}
        unit = _normalise(rows, learnt["from"], learnt["shrink"])
        z = (unit - learnt["center"]) / learnt["spread"]
        along = (z @ learnt["basis"]) ** 2  # [n, k]
        left = np.maximum((z**2).sum(axis=1) - along.sum(axis=1), 0.0)
        return np.asarray(along @ learnt["precision"] + left * learnt["rest"])

    def share_beyond(self, coarse: Features, question: Features) -> FloatArray:
        """Give the share of calibration pictures, or questions, that lie at least as far out.

        The row itself counts among them, so that rows like those of the calibration have a share of
        at most s in at most s of all cases (a conformal p-value). Only what is farther out than any
        has none, however few they are.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].

        Returns:
            Shares in [0, 1] [n], of the worst of picture, its length and question, times three
            since the worst of three ranks is low three times as often.

        Source: Bates and others 2023 (arXiv 2104.08279) for outliers by conformal p-values.
        """
        # Numbers beyond all bounds are far out, NaN among them.
        with np.errstate(all="ignore"):
            distances = self._distances(coarse, question)
        shares = []
        for part, values in distances.items():
            ranks = self.arrays_.get(f"{part}.ranks")
            if ranks is not None:
                beyond = len(ranks) - np.searchsorted(ranks, values)
                shares.append(np.where(beyond, (1 + beyond) / (1 + len(ranks)), 0.0))
        return np.asarray(np.minimum(len(shares) * np.min(shares, axis=0), 1.0))

    def find_outside(
        self, coarse: Features, question: Features, outlier: float
    ) -> NDArray[np.bool_]:
        """Mark what lies too far out.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].
            outlier: share of the calibration rows below which a row is too far out; 0 marks none.

        Returns:
            True where a row is too far out [n].

        Raises:
            ValueError: if `outlier` is not a share.
        """
        if not 0 <= outlier <= 1:
            raise ValueError(f"the outlier share must lie in [0, 1], got {outlier}")
        return np.asarray(self.share_beyond(coarse, question) < outlier)

    def to_bytes(self) -> bytes:
        """Give everything learnt as an .npz."""
        return pack_arrays(self.arrays_)

    @classmethod
    def from_bytes(cls, content: bytes) -> "DensityGate":
        """Rebuild a gate from what `to_bytes` gave.

        Raises:
            ValueError: if the content is none.
        """
        arrays = unpack_arrays(content, "density gate", _AXES, optional=_LATER)
        if 0 < len(arrays.keys() & set(_PLACES)) < len(_PLACES):
            raise ValueError("not a density gate: it has places in part; train the router again")
        return cls(arrays)


def _read_part(part: str, source: Features, rows: IntArray) -> Blocks:
    """Read one part of what the gate looks at in blocks, float32 [k, width of the part]."""
    cuts = cut_chosen(rows, math.prod(np.shape(source)[1:]))

    def read(cut: IntArray) -> FloatArray:
        values = np.asarray(source[cut], np.float32)
        if part == "picture":
            return values[:, 0]
        if part == "places":
            return (values[:, 1:] - values[:, :1]).reshape(len(values), -1)
        return values

    return lambda: ({part: read(cut)} for cut in cuts)


def _normalise(rows: FloatArray, center: FloatArray, shrink: FloatArray) -> FloatArray:
    """Standardise rows [n, D] and give them length 1."""
    z = (rows - center) * shrink
    return np.asarray(z / np.maximum(np.sqrt((z**2).sum(axis=1, keepdims=True)), 1e-9))
