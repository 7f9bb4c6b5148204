"""How far a question or its picture lies from all that the router was trained on.

A rank, not a probability of being wrong. Unseen content leaves the few directions in which the
training rows vary; the residual outside of them is measured, for the picture's 1-token level and
for the question. A router knows nothing out there, so the policy may take the largest scale, which
loses no answer against itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray, TrainData
from predictor.features.projections import fit_pca
from predictor.routers.arrays import ANY, pack_arrays, unpack_arrays

PARTS = ("picture", "question")
_AXES = {
    f"{part}.{name}": axes.format(directions)
    for part, directions in zip(PARTS, "kl", strict=True)
    for name, axes in {"from": "D", "shrink": "D", "basis": "D{}", "ranks": ANY}.items()
}


@dataclass(frozen=True)
class DensitySettings:
    """Settings of the gate.

    Attributes:
        width: leading directions that are not counted.
        ranks: distances of calibration rows that are kept, evenly spread over their order.
        seed: seed of the randomised PCA.
    """

    width: int = 48
    ranks: int = 1001
    seed: int = 0


class DensityGate:
    """Squared distance from the leading directions, as a rank among the calibration rows.

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
            settings: width and ranks.

        Source: Wang et al. 2022 (arXiv 2203.10807), the residual of the principal subspace.
        """
        rng = np.random.default_rng(settings.seed)
        gate = cls({})
        # An image with many questions counts once.
        _, once = np.unique(np.asarray(train.image_ids).astype(str), return_index=True)
        rows = {"picture": train.coarse[once, 0], "question": train.question}  # [images, D], [n, D]
        levels = np.linspace(0, 1, min(settings.ranks, len(calibration)))
        for part, values in rows.items():
            center, basis = fit_pca(np.asarray(values, np.float32), settings.width, rng)
            spread = values.std(axis=0)
            # PCA divides by the spread before and by the deviation after; the basis has neither.
            basis = basis * spread[:, None]
            basis = basis / np.maximum(np.sqrt((basis**2).sum(axis=0)), 1e-12)
            shrink = np.where(spread > 1e-6, 1.0 / np.maximum(spread, 1e-6), 0.0)
            learnt = {"from": center, "shrink": shrink, "basis": basis}
            gate.arrays_.update(
                {f"{part}.{k}": np.asarray(v, np.float32) for k, v in learnt.items()}
            )
        distances = gate._distances(calibration.coarse, calibration.question)
        for part, values in distances.items():
            # Quantiles instead of all distances: as good a rank, in a file of fixed size.
            gate.arrays_[f"{part}.ranks"] = np.quantile(values, levels)
        return gate

    def _distances(self, coarse: FloatArray, question: FloatArray) -> dict[str, FloatArray]:
        rows = {"picture": coarse[:, 0], "question": question}
        distances = {}
        for part, values in rows.items():
            center, shrink, basis = (
                self.arrays_[f"{part}.{k}"] for k in ("from", "shrink", "basis")
            )
            z = (np.asarray(values, np.float32) - center) * shrink
            # All of the length less what lies along the leading directions [n].
            distances[part] = np.asarray((z**2).sum(axis=1) - ((z @ basis) ** 2).sum(axis=1))
        return distances

    def share_beyond(self, coarse: FloatArray, question: FloatArray) -> FloatArray:
        """Give the share of calibration rows that lie at least as far out.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].

        Returns:
            Shares in [0, 1] [n], of the worse of picture and question, doubled since the worse of
            two ranks is low twice as often; 0 is farther out than any.
        """
        shares = []
        for part, values in self._distances(coarse, question).items():
            ranks = self.arrays_[f"{part}.ranks"]
            shares.append(1.0 - np.searchsorted(ranks, values) / len(ranks))
        return np.asarray(np.minimum(2.0 * np.minimum(*shares), 1.0))

    def find_outside(
        self, coarse: FloatArray, question: FloatArray, outlier: float
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
