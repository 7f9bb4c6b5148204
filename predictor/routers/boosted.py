"""Gradient-boosted trees (LightGBM), a head per scale and a model they share: the default router.

Not a classifier of "the" scale: every scale gets its own P(correct), so that the price of a token
is decided afterwards and several scales may be good, or none. A head sees its own scale's scores;
the shared trees take the scale as one more feature, learn from all scores at once and so know
that neighbouring scales behave alike. The mean of the two is better than either.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import lightgbm as lgb
import numpy as np
from scipy.special import expit

from m3_backbone.serialization import parse_json
from predictor.data import FloatArray
from predictor.routers.base import Router, log_odds

INDEX = "boosted.json"
SHARED = "shared.txt"
Head: TypeAlias = lgb.Booster | float


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

    Attributes:
        settings: what it was built with; a loaded router has the defaults here.
        heads_: a booster, or the log-odds of a constant, per scale [s].
        shared_: the shared trees; None if there are none.
    """

    kind: ClassVar[str] = "boosted"
    takes_missing: ClassVar[bool] = True  # NaN is "does not apply"

    def __init__(self, scales: tuple[int, ...], settings: BoostedSettings | None = None) -> None:
        super().__init__(scales)
        self.settings = settings or BoostedSettings()
        self.heads_: list[Head] = []
        self.shared_: lgb.Booster | None = None

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray) -> None:
        # Binned once for all heads; only the target changes.
        rows = lgb.Dataset(x, params=self.settings.to_lightgbm(), free_raw_data=False)
        # One after the other: each head sets its own target in the shared data set.
        self.heads_ = [self._fit_head(rows, y[:, k], w[:, k]) for k in range(y.shape[1])]
        wanted = self.settings.shared_trees > 0 and any(self._varied())
        self.shared_ = self._fit_shared(x, y, w) if wanted else None

    def _fit_head(self, rows: lgb.Dataset, target: FloatArray, weights: FloatArray) -> Head:
        known = target[weights > 0]
        if np.ptp(known) == 0:
            # Smoothed as if half a row had gone each way: never quite 0 or 1.
            return float(log_odds((known.sum() + 0.5) / (len(known) + 1)))
        parameters = self.settings.to_lightgbm()
        return lgb.train(
            parameters, rows.set_label(target).set_weight(weights), self.settings.trees
        )

    def _fit_shared(self, x: FloatArray, y: FloatArray, w: FloatArray) -> lgb.Booster:
        scales = y.shape[1]
        parameters = {
            **self.settings.to_lightgbm(),
            "num_leaves": self.settings.shared_leaves,
            # A row comes once per scale here; half of them are free to be in another leaf.
            "min_data_in_leaf": max(self.settings.min_rows * scales // 2, 1),
        }
        # `ravel` goes scale by scale within a question, as the crossed rows do [n * s].
        rows = lgb.Dataset(_cross(x, scales), y.ravel(), weight=w.ravel(), params=parameters)
        return lgb.train(parameters, rows, self.settings.shared_trees)

    def _varied(self) -> list[bool]:
        return [not isinstance(head, float) for head in self.heads_]

    def _predict(self, x: FloatArray) -> FloatArray:
        # [n, s] from the heads, and the same from the shared trees, a row per question and scale.
        own = np.column_stack([_predict_head(head, x) for head in self.heads_])
        if self.shared_ is None:
            return own
        shared = _predict_head(self.shared_, _cross(x, len(self.scales))).reshape(own.shape)
        return np.where(self._varied(), 0.5 * (own + shared), own)

    def _pack(self) -> dict[str, bytes]:
        boosters: dict[str, lgb.Booster] = {}
        constants: dict[str, float] = {}
        for scale, head in zip(self.scales, self.heads_, strict=True):
            if isinstance(head, float):
                constants[_head_file(scale)] = head
            else:
                boosters[_head_file(scale)] = head
        if self.shared_ is not None:
            boosters[SHARED] = self.shared_
        index = {
            "width": self.width_,
            "shared": self.shared_ is not None,
            "constants": constants,
        }
        texts = {name: booster.model_to_string() for name, booster in boosters.items()}
        texts[INDEX] = json.dumps(index, indent=1) + "\n"
        return {name: text.encode() for name, text in texts.items()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "BoostedRouter":
        """Rebuild a fitted router; LightGBM's parser runs here, so hashes come first.

        Raises:
            ValueError: if a file is missing or a booster has another width than the index says.
        """
        router = cls(scales)
        try:
            index = parse_json(files[INDEX])
            constants = index["constants"]
            width = int(index["width"])
            for name in map(_head_file, scales):
                constant = constants.get(name)
                head = _parse(files[name], width) if constant is None else float(constant)
                router.heads_.append(head)
            if index["shared"]:
                router.shared_ = _parse(files[SHARED], width + 1)
        except (KeyError, TypeError) as error:
            raise ValueError(f"boosted router lacks {error}; train it again") from error
        router.width_ = width
        return router


def _head_file(scale: int) -> str:
    return f"head-{scale:05d}.txt"


def _cross(x: FloatArray, scales: int) -> FloatArray:
    """Repeat every row once per scale, with the scale's number as a last feature [n * s, d + 1]."""
    numbers = np.tile(np.arange(scales, dtype=np.float64), len(x))
    return np.column_stack([np.repeat(x, scales, axis=0), numbers])  # [n * s, d + 1]


def _parse(content: bytes, width: int) -> lgb.Booster:
    booster = lgb.Booster(model_str=content.decode())
    if booster.num_feature() != width:
        raise ValueError(
            f"boosted router expects {width} features, a booster {booster.num_feature()}"
        )
    return booster


def _predict_head(head: Head, x: FloatArray) -> FloatArray:
    if isinstance(head, float):
        return np.full(len(x), expit(head))
    # One thread: waking others takes longer than the rows of a batch.
    probabilities = head.predict(x, num_threads=1, predict_disable_shape_check=True)
    return np.asarray(probabilities, np.float64)
