"""How far a question or its picture lies from all that the router was trained on.

A rank, not a probability of being wrong: the Mahalanobis distance of the picture's 1-token level
and of the question's embedding, each of length 1, so that only their direction counts. A camera's
photograph is no longer a vector than a training picture, but points elsewhere. A router knows
nothing out there, so the policy may take the largest scale, which loses no answer against itself.

Source: Mueller and Hein 2025 (arXiv 2505.18032) for distances of normalised features; Tipping and
    Bishop 1999, Probabilistic principal component analysis, for the directions that are left out.
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

PARTS = ("picture", "question")
_AXES = {
    f"{part}.{name}": axes.format(directions)
    for part, directions in zip(PARTS, "kl", strict=True)
    for name, axes in {
        "from": "D",
        "shrink": "D",
        "center": "D",
        "spread": "D",
        "basis": "D{}",
        "precision": "{}",
        "rest": "",
        "ranks": ANY,
    }.items()
}
_LEARNT = ("from", "shrink", "center", "spread", "basis", "precision", "rest")

_FLOOR = 1e-4
"""Least variance of a direction, against the mean; a smaller one is rounding."""


@dataclass(frozen=True)
class DensitySettings:
    """Settings of the gate.

    Attributes:
        picture_width: principal directions of pictures that have a variance of their own; all
            others share one.
        question_width: the same of questions.
        ranks: distances of calibration rows that are kept, evenly spread over their order.
        seed: seed of the randomised PCA.
    """

    picture_width: int = 96
    question_width: int = 48
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
        # An image with many questions counts once.
        rows = {"picture": first_of_images(train.image_ids), "question": np.arange(len(train))}
        widths = {"picture": settings.picture_width, "question": settings.question_width}
        for part, source in {"picture": train.coarse, "question": train.question}.items():
            gate._fit_part(part, _read_part(part, source, rows[part]), widths[part], rng)
        levels = np.linspace(0, 1, min(settings.ranks, len(calibration)))
        for part, values in gate._distances(calibration.coarse, calibration.question).items():
            # Quantiles instead of all distances: as good a rank, in a file of fixed size.
            gate.arrays_[f"{part}.ranks"] = np.quantile(values, levels)
        return gate

    def _fit_part(self, part: str, blocks: Blocks, width: int, rng: np.random.Generator) -> None:
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
        distances = {}
        for part, source in {"picture": coarse, "question": question}.items():
            blocks = _read_part(part, source, np.arange(len(source)))()
            distances[part] = np.concatenate([self._measure(part, b[part]) for b in blocks])
        return distances

    def _measure(self, part: str, rows: FloatArray) -> FloatArray:
        learnt = {name: self.arrays_[f"{part}.{name}"] for name in _LEARNT}
        unit = _normalise(rows, learnt["from"], learnt["shrink"])
        z = (unit - learnt["center"]) / learnt["spread"]
        along = (z @ learnt["basis"]) ** 2  # [n, k]
        left = np.maximum((z**2).sum(axis=1) - along.sum(axis=1), 0.0)
        return np.asarray(along @ learnt["precision"] + left * learnt["rest"])

    def share_beyond(self, coarse: Features, question: Features) -> FloatArray:
        """Give the share of calibration rows that lie at least as far out.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].

        Returns:
            Shares in [0, 1] [n], of the worse of picture and question, doubled since the worse of
            two ranks is low twice as often; 0 is farther out than any.
        """
        shares = []
        # Numbers beyond all bounds are far out, NaN among them.
        with np.errstate(all="ignore"):
            distances = self._distances(coarse, question)
        for part, values in distances.items():
            ranks = self.arrays_[f"{part}.ranks"]
            shares.append(1.0 - np.searchsorted(ranks, values) / len(ranks))
        return np.asarray(np.minimum(2.0 * np.minimum(*shares), 1.0))

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
        """Rebuild a gate from what `to_bytes` gave."""
        return cls(unpack_arrays(content, "density gate", _AXES))


def _read_part(part: str, source: Features, rows: IntArray) -> Blocks:
    """Read what the gate looks at, float32 [k, D] in blocks: a picture's 1-token level, or all."""
    cuts = cut_chosen(rows, math.prod(np.shape(source)[1:]))

    def read(cut: IntArray) -> FloatArray:
        values = source[cut]
        return np.asarray(values[:, 0] if part == "picture" else values, np.float32)

    return lambda: ({part: read(cut)} for cut in cuts)


def _normalise(rows: FloatArray, center: FloatArray, shrink: FloatArray) -> FloatArray:
    """Standardise rows [n, D] and give them length 1."""
    z = (rows - center) * shrink
    return np.asarray(z / np.maximum(np.sqrt((z**2).sum(axis=1, keepdims=True)), 1e-9))
