"""The mean of boosted trees and of the network: two that are wrong about different questions.

Not an ensemble of any routers: these two were the best pair on calibration splits.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from predictor.data import FloatArray
from predictor.routers.base import Router
from predictor.routers.boosted import BoostedRouter, BoostedSettings
from predictor.routers.mlp import MlpRouter, MlpSettings


class BlendRouter:
    """Averages P(correct) of its two members, scale by scale.

    Attributes:
        scales: the scales in column order [s].
        members: the trees and the network.
    """

    kind: ClassVar[str] = "blend"

    def __init__(
        self,
        scales: tuple[int, ...],
        boosted: BoostedSettings | None = None,
        mlp: MlpSettings | None = None,
    ) -> None:
        self.scales = scales
        self.members: tuple[Router, Router]
        self.members = (BoostedRouter(scales, boosted), MlpRouter(scales, mlp))

    @classmethod
    def join(cls, boosted: Router, mlp: Router) -> "BlendRouter":
        """Take members that are fitted already.

        Args:
            boosted: the trees.
            mlp: the network, of the same scales.

        Returns:
            The router, fitted.
        """
        router = cls(boosted.scales)
        router.members = (boosted, mlp)
        return router

    def fit(
        self, features: FloatArray, correct: FloatArray, *, weights: FloatArray | None = None
    ) -> "BlendRouter":
        """Learn from outcomes; see `Router.fit`.

        Args:
            features: feature rows [n, d].
            correct: score of every scale [n, s], NaN where it was not tried.
            weights: weight of each row [n].

        Returns:
            The router itself.
        """
        for member in self.members:
            member.fit(features, correct, weights=weights)
        return self

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Estimate P(correct) at every scale; see `Router.predict_proba`.

        Args:
            features: feature rows [n, d].

        Returns:
            Probabilities [n, s].
        """
        found = [member.predict_proba(features) for member in self.members]
        return np.asarray(0.5 * (found[0] + found[1]))

    def to_files(self) -> dict[str, bytes]:
        """Give the files of both members.

        Returns:
            File name -> content.
        """
        boosted, mlp = self.members
        return {**boosted.to_files(), **mlp.to_files()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "BlendRouter":
        """Rebuild a fitted router.

        Args:
            files: what `to_files` gave.
            scales: the scales in column order [s].

        Returns:
            The router.
        """
        return cls.join(
            BoostedRouter.from_files(files, scales), MlpRouter.from_files(files, scales)
        )
