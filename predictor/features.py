"""From coarse tokens and a question embedding to one short feature row.

Supervised, though no model of correctness by itself: besides compact descriptions of the picture
and of the question, a row holds what small ridge regressions expect of each scale from the
picture, from the question and from their products. Shallow trees then find in one split what
would otherwise take them many.
"""

from dataclasses import dataclass

import numpy as np

from predictor.data import FloatArray, NameArray
from predictor.interface import pack_arrays, unpack_arrays
from predictor.projections import fit_pca, fit_ridge, image_folds

FEATURE_VERSION = 1
BLOCKS = ("coarse", "question")
PICTURE_PARTS = ("one", "grid", "spread")


@dataclass(frozen=True)
class FeatureSettings:
    """Settings of the feature map.

    Attributes:
        blocks: what a row may look at: `coarse`, `question` or both; one of them alone makes the
            image-only or question-only control.
        one_width: principal directions kept of the 1-token level.
        grid_width: principal directions kept of the next level, flattened.
        spread_width: principal directions kept of that level's spread over the picture.
        question_width: principal directions kept of the question embedding.
        product_grid, product_spread, product_question: leading directions of the grid, the spread
            and the question whose products are formed.
        folds: image folds of the out-of-fold ridge predictions.
        seed: seed of the folds and of the randomised PCA.
    """

    blocks: tuple[str, ...] = BLOCKS
    one_width: int = 16
    grid_width: int = 24
    spread_width: int = 12
    question_width: int = 48
    product_grid: int = 16
    product_spread: int = 8
    product_question: int = 32
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the blocks and folds.

        Raises:
            ValueError: if there is no block or an unknown one, or fewer than two folds.
        """
        if not self.blocks or not set(self.blocks) <= set(BLOCKS):
            raise ValueError(f"blocks must be some of {BLOCKS}, got {self.blocks}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, got {self.folds}")

    def widths(self) -> dict[str, int]:
        """Give the parts that are reduced by PCA, and to how many directions.

        Returns:
            Part -> number of directions.
        """
        widths = {}
        if "coarse" in self.blocks:
            kept = (self.one_width, self.grid_width, self.spread_width)
            widths = dict(zip(PICTURE_PARTS, kept, strict=True))
        if "question" in self.blocks:
            widths["question"] = self.question_width
        return widths


class FeatureMap:
    """A fitted map from coarse tokens and question embeddings to feature rows.

    Attributes:
        settings: what it was built with; a loaded map only knows its blocks.
        arrays_: everything learnt, by name; empty before `fit_transform`.
    """

    def __init__(self, settings: FeatureSettings | None = None) -> None:
        self.settings = settings or FeatureSettings()
        self.arrays_: dict[str, FloatArray] = {}

    def fit_transform(
        self, coarse: FloatArray, question: FloatArray, correct: FloatArray, image_ids: NameArray
    ) -> FloatArray:
        """Learn the map and give the rows to train a router on.

        The ridge columns of these rows are predicted out of fold, by image: `transform` of the
        same rows would look better than it is on new ones.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].
            correct: score of every scale [n, s].
            image_ids: image of each row [n].

        Returns:
            Feature rows [n, d], float64.
        """
        raw = _cut(coarse, question)
        rng = np.random.default_rng(self.settings.seed)
        folds = image_folds(image_ids, self.settings.folds, rng)
        self._fit_parts(raw, image_ids, rng)
        centered, parts = self._project(raw)
        columns = _describe(centered, parts)
        for name, design in self._designs(parts).items():
            found, weights = fit_ridge(design, np.asarray(correct, np.float64), folds)
            self.arrays_[f"ridge.{name}"] = weights.astype(np.float32)
            columns.append(found)
        return np.hstack(columns).astype(np.float64)

    def transform(self, coarse: FloatArray, question: FloatArray) -> FloatArray:
        """Give the feature rows of new questions.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].

        Returns:
            Feature rows [n, d], float64.

        Raises:
            ValueError: if the map is not fitted or a shape differs from the training rows.
        """
        if not self.arrays_:
            raise ValueError("this feature map is not fitted; call fit_transform first")
        raw = _cut(coarse, question)
        wanted = tuple(int(size) for size in self.arrays_["shape"])
        if np.shape(coarse)[1:] != wanted:
            raise ValueError(
                f"coarse must be [n, {wanted[0]}, {wanted[1]}] as in training, "
                f"got {np.shape(coarse)}"
            )
        centered, parts = self._project(raw)
        columns = _describe(centered, parts)
        for name, design in self._designs(parts).items():
            columns.append(design @ self.arrays_[f"ridge.{name}"])
        return np.hstack(columns).astype(np.float64)

    def to_bytes(self) -> bytes:
        """Give everything learnt as an .npz.

        Returns:
            Content of the file.

        Raises:
            ValueError: if the map is not fitted.
        """
        if not self.arrays_:
            raise ValueError("this feature map is not fitted; call fit_transform first")
        return pack_arrays(self.arrays_)

    @classmethod
    def from_bytes(cls, content: bytes) -> "FeatureMap":
        """Rebuild a fitted map.

        Args:
            content: what `to_bytes` gave.

        Returns:
            A map whose `transform` gives the same numbers.

        Raises:
            ValueError: if the content is no feature map.
        """
        arrays = unpack_arrays(content)
        parts = {"coarse": "one", "question": "question"}
        blocks = tuple(block for block in BLOCKS if f"{parts[block]}.to" in arrays)
        if not blocks or not {"shape", "products"} <= set(arrays):
            raise ValueError("not a feature map; train the router again")
        found = cls(FeatureSettings(blocks=blocks))
        found.arrays_ = arrays
        return found

    def _fit_parts(
        self, raw: dict[str, FloatArray], image_ids: NameArray, rng: np.random.Generator
    ) -> None:
        tokens = 1 + raw["grid"].shape[1] // raw["one"].shape[1]
        s = self.settings
        self.arrays_ = {
            "shape": np.array([tokens, raw["one"].shape[1]]),
            "products": np.array([s.product_grid, s.product_spread, s.product_question]),
        }
        # An image with many questions counts once, which is also several times faster.
        _, once = np.unique(np.asarray(image_ids).astype(str), return_index=True)
        for name, width in s.widths().items():
            rows = raw[name] if name == "question" else raw[name][once]
            self.arrays_[f"{name}.from"], self.arrays_[f"{name}.to"] = fit_pca(rows, width, rng)

    def _project(
        self, raw: dict[str, FloatArray]
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Center the parts in use, and reduce them to their principal directions."""
        names = [name for name in raw if f"{name}.to" in self.arrays_]
        centered: dict[str, FloatArray] = {
            name: raw[name] - self.arrays_[f"{name}.from"] for name in names
        }
        return centered, {name: centered[name] @ self.arrays_[f"{name}.to"] for name in names}

    def _designs(self, parts: dict[str, FloatArray]) -> dict[str, FloatArray]:
        """Lay out the inputs of each ridge regression, a column of ones first."""
        designs = {}
        if "grid" in parts:
            designs["picture"] = _with_ones(*(parts[name] for name in PICTURE_PARTS))
        if "question" in parts:
            designs["question"] = _with_ones(parts["question"])
        if len(designs) == 2:
            grid, spread, asked = (int(width) for width in self.arrays_["products"])
            left = _with_ones(parts["grid"][:, :grid], parts["spread"][:, :spread])
            right = _with_ones(parts["question"][:, :asked])
            designs["product"] = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
        return designs


def _cut(coarse: FloatArray, question: FloatArray) -> dict[str, FloatArray]:
    # The parts that PCA sees, float32 [n, width of the part].
    c, q = np.asarray(coarse, np.float32), np.asarray(question, np.float32)
    if c.ndim != 3 or c.shape[1] < 2 or q.shape != (len(c), c.shape[2]):
        raise ValueError(
            f"expected coarse [n, t, D] with t >= 2 and question [n, D], got {c.shape}, {q.shape}"
        )
    grid = c[:, 1:]
    return {
        "one": c[:, 0],
        "grid": grid.reshape(len(c), -1),
        "spread": grid.std(axis=1),
        "question": q,
    }


def _with_ones(*blocks: FloatArray) -> FloatArray:
    return np.hstack([np.ones((len(blocks[0]), 1), blocks[0].dtype), *blocks])


def _describe(centered: dict[str, FloatArray], parts: dict[str, FloatArray]) -> list[FloatArray]:
    """List the unsupervised columns: principal directions, token lengths, question match."""
    columns = list(parts.values())
    if "grid" not in parts:
        return columns
    width = centered["one"].shape[1]
    tokens = np.concatenate([centered["one"], centered["grid"]], axis=1)
    tokens = tokens.reshape(len(tokens), -1, width)
    lengths = np.sqrt((tokens**2).sum(axis=2))
    # Averaging shortens what differs, so length tells how alike the parts of a picture are.
    columns += [lengths[:, :1], _summary(lengths[:, 1:])]
    if "question" in parts:
        asked = centered["question"]
        scale = np.maximum(np.sqrt((asked**2).sum(axis=1, keepdims=True)) * lengths, 1e-6)
        match = (tokens @ asked[:, :, None])[:, :, 0] / scale
        columns += [match[:, :1], _summary(match[:, 1:])]
    return columns


def _summary(values: FloatArray) -> FloatArray:
    """Give mean, standard deviation, minimum and maximum of each row [n, 4]."""
    spread = (values.mean(axis=1), values.std(axis=1), values.min(axis=1), values.max(axis=1))
    return np.column_stack(spread)
