"""From coarse tokens and a question embedding to one short feature row.

Supervised, though no model of correctness by itself: besides compact descriptions of the picture
and of the question, a row holds what small ridge regressions expect of each scale from the
picture, from the question and from their products. Shallow trees then find in one split what
would otherwise take them many.
"""

import math
from collections.abc import Collection

import numpy as np

from m3_backbone.scales import EXTRAS
from predictor.data import (
    NOTHING,
    Extras,
    FloatArray,
    IntArray,
    NameArray,
    first_of_images,
    image_folds,
)
from predictor.features.blocks import BLOCKS, PICTURE, FeatureSettings
from predictor.features.projections import Blocks, fit_pca, fit_ridge, measure_columns
from predictor.features.raw import RawParts
from predictor.routers.arrays import ANY, pack_arrays, unpack_arrays
from predictor.rows import Features

FEATURE_VERSION = 2
_PICTURE_PARTS: tuple[str, ...] = ("one", "grid", "spread")

_PARTS = {
    "one": "Da",
    "grid": "gb",
    "spread": "Dc",
    "question": "Dq",
    "pixels": "pe",
    "state": "hf",
}
"""Axes of each part's directions: what it measures, and how many directions are kept."""

_OPTIONAL = {
    **{f"{name}.from": axes[0] for name, axes in _PARTS.items()},
    **{f"{name}.to": axes for name, axes in _PARTS.items()},
    **{f"ridge.{name}": f"{ANY}s" for name in ("picture", "question", "product", *EXTRAS)},
}
_AXES = {"shape": "2", "products": "3", "versions": ANY, **_OPTIONAL}
_SIZES = {"2": 2, "3": 3}
"""Every array of a saved map and its axes; those that belong to a block are optional."""


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
        self,
        coarse: Features,
        question: Features,
        correct: FloatArray,
        image_ids: NameArray,
        extras: Extras = NOTHING,
        clusters: NameArray | None = None,
    ) -> FloatArray:
        """Learn the map and give the rows to train a router on.

        The ridge columns of these rows are predicted out of fold, by image: `transform` of the
        same rows would look better than it is on new ones.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].
            correct: score of every scale [n, s].
            image_ids: image of each row [n].
            extras: what `EXTRAS` blocks look at, by block [n, width].
            clusters: which rows belong together, by name [n]; those of an image if left out.

        Returns:
            Feature rows [n, d], float64.
        """
        raw = RawParts.collect(coarse, question, extras, self.settings.blocks)
        rng = np.random.default_rng(self.settings.seed)
        together = image_ids if clusters is None else clusters
        folds = image_folds(together, self.settings.folds, rng)
        self._fit_parts(raw, first_of_images(image_ids), rng)
        described, parts = self._describe_all(raw)
        columns = [described]
        for name in self._list_designs(parts):

            def design(rows: slice, name: str = name) -> FloatArray:
                return self._lay_out(name, {part: values[rows] for part, values in parts.items()})

            expected, weights = fit_ridge(design, np.asarray(correct, np.float64), folds)
            self.arrays_[f"ridge.{name}"] = weights.astype(np.float32)
            columns.append(expected)  # [n, s]
        return np.hstack(columns)

    def transform(
        self, coarse: Features, question: Features, extras: Extras = NOTHING
    ) -> FloatArray:
        """Give the feature rows of new questions.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].
            extras: what `EXTRAS` blocks look at, by block [n, width].

        Returns:
            Feature rows [n, d], float64.

        Raises:
            ValueError: if the map is not fitted or a shape differs from the training rows.
        """
        if not self.arrays_:
            raise ValueError("this feature map is not fitted; call fit_transform first")
        raw = RawParts.collect(coarse, question, extras, self.settings.blocks)
        wanted = tuple(int(size) for size in self.arrays_["shape"])
        if np.shape(coarse)[1:] != wanted:
            raise ValueError(
                f"coarse must be [n, {wanted[0]}, {wanted[1]}] as in training, "
                f"got {np.shape(coarse)}"
            )
        return np.concatenate([self._transform(raw.read(rows)) for rows in raw.blocks()])

    def _transform(self, raw: dict[str, FloatArray]) -> FloatArray:
        centered, parts = self._project(raw)
        columns = _describe(raw, centered, parts, self.settings.blocks)
        for name in self._list_designs(parts):
            columns.append(self._lay_out(name, parts) @ self.arrays_[f"ridge.{name}"])
        return np.hstack(columns).astype(np.float64)

    def to_bytes(self) -> bytes:
        """Give everything learnt as an .npz.

        Raises:
            ValueError: if the map is not fitted.
        """
        if not self.arrays_:
            raise ValueError("this feature map is not fitted; call fit_transform first")
        return pack_arrays(self.arrays_)

    @classmethod
    def from_bytes(cls, content: bytes) -> "FeatureMap":
        """Rebuild a fitted map.

        Returns:
            A map whose `transform` gives the same numbers.

        Raises:
            ValueError: if the content is no feature map.
        """
        arrays = unpack_arrays(content, "feature map", _AXES, _SIZES, optional=_OPTIONAL)
        # Not strict: a map from before the last blocks were added lists fewer.
        versions = dict(zip(BLOCKS, arrays["versions"].tolist(), strict=False))
        for name, version in versions.items():
            if version not in (0, BLOCKS[name].version):
                raise ValueError(
                    f"the router's block {name!r} has version {version}, this program makes "
                    f"{BLOCKS[name].version}; train the router again"
                )
        fitted = cls(FeatureSettings(blocks=tuple(k for k, v in versions.items() if v)))
        fitted.arrays_ = arrays
        return fitted

    def _fit_parts(self, raw: RawParts, once: IntArray, rng: np.random.Generator) -> None:
        s = self.settings
        self.arrays_ = {
            "shape": np.array(np.shape(raw.coarse)[1:]),
            "products": np.array([s.product_grid, s.product_spread, s.product_question]),
            # By place in BLOCKS; 0 is a block that is not used.
            "versions": np.array([BLOCKS[b].version * (b in s.blocks) for b in BLOCKS]),
        }
        every = np.arange(len(raw.coarse))
        widths = s.widths()
        picture = {name: widths.pop(name) for name in _PICTURE_PARTS if name in widths}
        # An image with many questions counts once, which is also several times faster.
        self._fit_directions(raw.picture_blocks(once), picture, rng)
        for name, width in widths.items():
            rows = every if name in ("question", "state") else once
            self._fit_directions(raw.vector_blocks(name, rows), {name: width}, rng)

    def _fit_directions(
        self, blocks: Blocks, widths: dict[str, int], rng: np.random.Generator
    ) -> None:
        fitted = fit_pca(blocks, measure_columns(blocks), widths, rng) if widths else {}
        for name, (center, projection) in fitted.items():
            self.arrays_[f"{name}.from"], self.arrays_[f"{name}.to"] = center, projection

    def _describe_all(self, raw: RawParts) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Give the unsupervised columns [n, d], float64, and the directions [n, k] of each part."""
        described: list[FloatArray] = []
        reduced: list[dict[str, FloatArray]] = []
        for rows in raw.blocks():
            block = raw.read(rows)
            centered, parts = self._project(block)
            columns = _describe(block, centered, parts, self.settings.blocks)
            described.append(np.hstack([np.zeros((len(block["one"]), 0)), *columns]))
            reduced.append(parts)
        joined = {name: np.concatenate([part[name] for part in reduced]) for name in reduced[0]}
        return np.concatenate(described), joined

    def _project(
        self, raw: dict[str, FloatArray]
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Center the parts, and reduce those in use to their principal directions."""
        names = [name for name in raw if f"{name}.to" in self.arrays_]
        centered: dict[str, FloatArray] = {
            name: raw[name] - self.arrays_[f"{name}.from"] for name in names
        }
        return centered, {name: centered[name] @ self.arrays_[f"{name}.to"] for name in names}

    def _list_designs(self, parts: Collection[str]) -> list[str]:
        """Name the ridge regressions that the blocks and the parts at hand allow."""
        blocks = self.settings.blocks
        picture = any(name in parts for name in _PICTURE_PARTS)
        designs = ["picture"] if picture and set(blocks) & set(PICTURE) else []
        designs += [name for name in ("question", *EXTRAS) if name in blocks]
        if picture and "question" in parts and "interactions" in blocks:
            designs.append("product")
        return designs

    def _lay_out(self, name: str, parts: dict[str, FloatArray]) -> FloatArray:
        """Lay out the inputs of a ridge regression, a column of ones first."""
        if name == "picture":
            return _with_ones(*(parts[part] for part in _PICTURE_PARTS if part in parts))
        if name != "product":
            return _with_ones(parts[name])
        grid, spread, asked = (int(width) for width in self.arrays_["products"])
        widths = {"one": grid, "grid": grid, "spread": spread}
        names = [part for part in _PICTURE_PARTS[1:] if part in parts] or ["one"]
        left = _with_ones(*(parts[part][:, : widths[part]] for part in names))
        right = _with_ones(parts["question"][:, :asked])
        # Every picture direction times every question direction [n, left * right].
        return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


def _with_ones(*blocks: FloatArray) -> FloatArray:
    return np.hstack([np.ones((len(blocks[0]), 1), blocks[0].dtype), *blocks])


def _describe(
    raw: dict[str, FloatArray],
    centered: dict[str, FloatArray],
    parts: dict[str, FloatArray],
    blocks: tuple[str, ...],
) -> list[FloatArray]:
    """List the unsupervised columns: principal directions, statistics, match with the question."""
    columns = [] if blocks == ("interactions",) else list(parts.values())
    width = raw["one"].shape[1]
    if "statistics" in blocks:
        grid = raw["grid"].reshape(len(raw["grid"]), -1, width)  # [n, t - 1, D]
        # Averaging shortens what differs, so length tells how alike the parts of a picture are.
        columns += [_length(raw["one"])[:, None], _summary(_length(grid)), _steps(grid)]
    if "interactions" in blocks and "question" in centered:
        asked = centered["question"]
        for part in ("one", "grid"):
            if part in centered:
                tokens = centered[part].reshape(len(asked), -1, width)  # [n, t, D]
                # Cosine of the question and each visual token [n, t].
                scale = np.maximum(_length(asked)[:, None] * _length(tokens), 1e-6)
                match = (tokens @ asked[:, :, None])[:, :, 0] / scale
                columns.append(match if part == "one" else _summary(match))
    return columns


def _length(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1)))


def _steps(grid: FloatArray) -> FloatArray:
    """Give the mean step between neighbours, sideways and downwards [n, 2]; 0 without a square."""
    side = math.isqrt(grid.shape[1])
    if side < 2 or side * side != grid.shape[1]:
        return np.zeros((len(grid), 2))
    square = grid.reshape(len(grid), side, side, -1)  # [n, side, side, D]
    # From [n, side, side - 1] sideways, or [n, side - 1, side] downwards, to [n].
    steps = [_length(np.diff(square, axis=axis)).mean(axis=(1, 2)) for axis in (2, 1)]
    return np.column_stack(steps)


def _summary(values: FloatArray) -> FloatArray:
    """Give mean, standard deviation, minimum and maximum of each row [n, 4]."""
    spread = (values.mean(axis=1), values.std(axis=1), values.min(axis=1), values.max(axis=1))
    return np.column_stack(spread)
