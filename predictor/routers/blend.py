"""The mean of boosted trees and of the network: two that are wrong about different questions.

Not an ensemble of any routers: these two were the best pair on calibration splits.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from predictor.data import FloatArray, NameArray
from predictor.routers.base import Router
from predictor.routers.boosted import BoostedRouter, BoostedSettings
from predictor.routers.mlp import MlpRouter, MlpSettings


class BlendRouter(Router):
    """Averages P(correct) of its two members, scale by scale.

    Attributes:
        members: the trees and the network.
    """

    kind: ClassVar[str] = "blend"

    def __init__(
        self,
        scales: tuple[int, ...],
        boosted: BoostedSettings | None = None,
        mlp: MlpSettings | None = None,
    ) -> None:
        super().__init__(scales)
        self.members: tuple[Router, Router]
        self.members = (BoostedRouter(scales, boosted), MlpRouter(scales, mlp))

    @classmethod
    def join(cls, boosted: Router, mlp: Router) -> "BlendRouter":
        """Take trees and a network of the same scales that are fitted already."""
        router = cls(boosted.scales)
        router.members = (boosted, mlp)
        router.width_ = boosted.width_
        return router

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "BlendRouter":
        """Rebuild a fitted router; see `Router.from_files`."""
        trees = BoostedRouter.from_files(files, scales)
        return cls.join(trees, MlpRouter.from_files(files, scales))

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        for member in self.members:
            # Past `fit`, whose checks the blend has done already.
            member._learn(x, y, w, clusters)
            member.width_ = x.shape[1]

    def _predict(self, x: FloatArray) -> FloatArray:
        trees, network = (member._predict(x) for member in self.members)
        return np.asarray(0.5 * (trees + network))

    def _pack(self) -> dict[str, bytes]:
        trees, network = (member._pack() for member in self.members)
        return {**trees, **network}
