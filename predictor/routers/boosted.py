"""Gradient-boosted trees (LightGBM), a head per scale and a model they share: the default router.

Not a classifier of "the" scale: every scale gets its own P(correct), so that the price of a token
is decided afterwards and several scales may be good, or none. A head sees its own scale's scores;
the shared trees take the scale as one more feature, learn from all scores at once and so know
that neighbouring scales behave alike. The mean of the two is better than either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from scipy.special import expit

from m3_backbone.schemas import parse_saved
from predictor.data import FloatArray, NameArray
from predictor.routers.arrays import pack_arrays, unpack_arrays
from predictor.routers.base import MOST_FEATURES, Router, log_odds
from predictor.routers.forest import AXES, MOST_LEAVES, Forest, cut_blocks, join_forests
from predictor.routers.lightgbm_text import constant_forest, read_forest

if TYPE_CHECKING:
    import lightgbm as lgb

FILE = "trees.npz"
OLD_INDEX = "boosted.json"
OLD_SHARED = "shared.txt"
"""Files of routers from before `FILE`: LightGBM's text, a file for each head."""

_OTHER_LETTERS = str.maketrans("mlt", "MLT")
"""The shared trees have a size of their own."""


@dataclass(frozen=True)
class OldIndex:
    """What `OLD_INDEX` holds.

    Attributes:
        width: number of features.
        shared: whether there are shared trees.
        constants: log-odds of heads that are constant, by the name their file would have.
    """

    width: Annotated[int, Ge(1), Le(MOST_FEATURES)]
    shared: bool
    constants: dict[str, float]


@dataclass(frozen=True)
class BoostedSettings:
    """Settings of the boosted router; small trees, strongly regularised, the same on every run.

    Attributes:
        trees: trees of each scale's head.
        leaves: most leaves of such a tree.
        shared_trees: trees of the model that all scales share; 0 leaves it out.
        shared_leaves: most leaves of such a tree.
        learning_rate: weight of each tree.
        min_rows: fewest training rows in a leaf.
        l2: ridge penalty on leaf values.
        feature_share: share of the features that each tree may use.
        row_share: share of the rows that each tree learns from.
        seed: seed of both samplings.
        threads: threads to train with; the result does not depend on it. More than one gains
            little on tables this small and loses much on a busy machine.
    """

    trees: int = 120
    leaves: int = 15
    shared_trees: int = 150
    shared_leaves: int = 31
    learning_rate: float = 0.04
    min_rows: int = 40
    l2: float = 10.0
    feature_share: float = 0.5
    row_share: float = 0.7
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        sizes = (self.leaves, self.shared_leaves)
        if min(sizes) < 2 or max(sizes) > MOST_LEAVES:
            raise ValueError(
                f"trees must have 2 to {MOST_LEAVES} leaves, got {self.leaves} and "
                f"{self.shared_leaves}"
            )

    def to_lightgbm(self) -> dict[str, Any]:
        """Give the settings of a head in LightGBM's words.

        Returns:
            Its parameters; `cross_entropy` is its logistic loss that takes soft targets.
        """
        return {
            "objective": "cross_entropy",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_rows,
            "lambda_l2": self.l2,
            "feature_fraction": self.feature_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": 1,
            "max_bin": 63,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


class BoostedRouter(Router):
    """Per-scale heads averaged with shared trees; a scale whose scores are all alike is a constant.

    LightGBM learns the trees; a fitted router predicts without it.

    Attributes:
        settings: what it was built with; a loaded router has the defaults here.
        heads_: trees of all scales, scale by scale; those of one add up to log-odds.
        trees_: number of trees of each scale [s].
        varied_: whether a scale's scores varied in training; if not, its head is a constant [s].
        shared_: the shared trees; None if there are none.
    """

    kind: ClassVar[str] = "boosted"
    takes_missing: ClassVar[bool] = True  # NaN is "does not apply"

    def __init__(self, scales: tuple[int, ...], settings: BoostedSettings | None = None) -> None:
        super().__init__(scales)
        self.settings = settings or BoostedSettings()
        self.heads_: Forest | None = None
        self.trees_: list[int] = []
        self.varied_: NDArray[np.bool_] = np.zeros(len(scales), np.bool_)
        self.shared_: Forest | None = None

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        import lightgbm as lgb  # only for training, and slow to import

        # Binned once for all heads; only the target changes.
        rows = lgb.Dataset(x, params=self.settings.to_lightgbm(), free_raw_data=False)
        self.varied_ = np.array([np.ptp(y[w[:, k] > 0, k]) > 0 for k in range(y.shape[1])])
        # One after the other: each head sets its own target in the shared data set.
        self._join([self._fit_head(rows, y[:, k], w[:, k]) for k in range(y.shape[1])])
        wanted = self.settings.shared_trees > 0 and self.varied_.any()
        self.shared_ = self._fit_shared(x, y, w) if wanted else None

    def _join(self, heads: list[Forest]) -> None:
        self.heads_ = join_forests(heads)
        self.trees_ = [head.feature.shape[1] for head in heads]

    def _fit_head(self, rows: "lgb.Dataset", target: FloatArray, weights: FloatArray) -> Forest:
        known = target[weights > 0]
        if np.ptp(known) == 0:
            # Smoothed as if half a row had gone each way: never quite 0 or 1.
            return constant_forest(float(log_odds((known.sum() + 0.5) / (len(known) + 1))))
        rows.set_label(target).set_weight(weights)
        return _train(self.settings.to_lightgbm(), rows, self.settings.trees)

    def _fit_shared(self, x: FloatArray, y: FloatArray, w: FloatArray) -> Forest:
        import lightgbm as lgb

        from predictor.routers.crossed import CrossedRows

        scales = y.shape[1]
        parameters = {
            **self.settings.to_lightgbm(),
            "num_leaves": self.settings.shared_leaves,
            # A row comes once per scale here; half of them are free to be in another leaf.
            "min_data_in_leaf": max(self.settings.min_rows * scales // 2, 1),
        }
        # `ravel` goes scale by scale within a question, as the crossed rows do [n * s].
        rows = lgb.Dataset(CrossedRows(x, scales), y.ravel(), weight=w.ravel(), params=parameters)
        return _train(parameters, rows, self.settings.shared_trees)

    def _predict(self, x: FloatArray) -> FloatArray:
        rows = [self._predict_block(block) for block in cut_blocks(x)]
        return np.concatenate([np.zeros((0, len(self.scales))), *rows])

    def _predict_block(self, x: FloatArray) -> FloatArray:
        heads = self._fitted_heads()
        leaves = heads.read_leaves(heads.rule_out(x))  # [t, n]
        parts = np.split(leaves, np.cumsum(self.trees_)[:-1])  # the trees of each scale
        own = expit(np.column_stack([part.sum(axis=0) for part in parts]))  # [n, s]
        if self.shared_ is None:
            return np.asarray(own)
        shared = expit(_add_up_shared(self.shared_, x, len(self.scales)))
        return np.asarray(np.where(self.varied_, 0.5 * (own + shared), own))

    def _fitted_heads(self) -> Forest:
        if self.heads_ is None:
            raise ValueError("this router is not fitted; call fit first or load a saved one")
        return self.heads_

    def _pack(self) -> dict[str, bytes]:
        forests = {"heads": self._fitted_heads()}
        if self.shared_ is not None:
            forests["shared"] = self.shared_
        arrays = {
            f"{part}.{name}": getattr(forest, name)
            for part, forest in forests.items()
            for name in AXES
        }
        arrays["trees"] = np.array(self.trees_)
        arrays["varied"] = self.varied_
        arrays["width"] = np.array(self.width_)
        return {FILE: pack_arrays(arrays)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "BoostedRouter":
        """Rebuild a fitted router; see `Router.from_files`.

        Raises:
            ValueError: if a file is missing or its trees are not whole.
        """
        if FILE not in files and OLD_INDEX in files:
            return cls._from_old_files(files, scales)
        heads, shared = (
            {f"{part}.{name}": axes.translate(letters) for name, axes in AXES.items()}
            for part, letters in (("heads", {}), ("shared", _OTHER_LETTERS))
        )
        axes = {**heads, **shared, "trees": "s", "varied": "s", "width": ""}
        sizes = {"s": len(scales)}
        arrays = unpack_arrays(files.get(FILE, b""), "boosted router", axes, sizes, shared)
        width, trees = int(arrays["width"]), arrays["trees"].astype(np.int64)
        router = cls(scales)
        router.heads_ = _take_forest(arrays, "heads").check(width)
        if shared.keys() & arrays:
            router.shared_ = _take_forest(arrays, "shared").check(width + 1)
        if trees.min() < 1 or trees.sum() != router.heads_.feature.shape[1]:
            raise ValueError("boosted router has other trees than it says; train it again")
        router.trees_ = trees.tolist()
        router.varied_ = arrays["varied"] != 0
        router.width_ = width
        return router

    @classmethod
    def _from_old_files(
        cls, files: Mapping[str, bytes], scales: tuple[int, ...]
    ) -> "BoostedRouter":
        index = parse_saved(OldIndex, files[OLD_INDEX], OLD_INDEX, "train the router again")
        names = [f"head-{scale:05d}.txt" for scale in scales]
        router = cls(scales)
        router.varied_ = np.array([name not in index.constants for name in names])
        try:
            heads = [
                constant_forest(index.constants[name])
                if name in index.constants
                else read_forest(files[name], index.width)
                for name in names
            ]
            if index.shared:
                router.shared_ = read_forest(files[OLD_SHARED], index.width + 1)
        except KeyError as error:
            raise ValueError(f"boosted router lacks {error}; train it again") from error
        router._join(heads)
        router.width_ = index.width
        return router


def _take_forest(arrays: Mapping[str, FloatArray], part: str) -> Forest:
    try:
        return Forest(**{name: arrays[f"{part}.{name}"] for name in AXES})
    except KeyError as error:
        raise ValueError(f"boosted router lacks {error}; train it again") from error


def _add_up_shared(trees: Forest, x: FloatArray, scales: int) -> FloatArray:
    """Give the shared trees' log-odds of rows [n, d] at every scale [n, s].

    What a row rules out does not depend on the scale, and what a scale rules out not on the row:
    both are asked once. A feature of -inf always goes left and so rules out nothing.
    """
    nothing = np.full((scales, x.shape[1]), -np.inf)
    by_scale = trees.rule_out(np.column_stack([nothing, np.arange(scales)]))  # [t, s]
    by_row = trees.rule_out(np.column_stack([x, np.full(len(x), -np.inf)]))  # [t, n]
    return np.column_stack(
        [trees.read_leaves(by_row | gone[:, None]).sum(axis=0) for gone in by_scale.T]
    )


def _train(parameters: dict[str, Any], rows: "lgb.Dataset", trees: int) -> Forest:
    import lightgbm as lgb

    booster = lgb.train(parameters, rows, trees)
    return read_forest(booster.model_to_string().encode(), booster.num_feature())
