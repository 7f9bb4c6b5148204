"""A small neural network with one hidden layer, trained in torch, predicting in plain numpy.

Three losses: `bce` learns P(correct) of every scale; `rank` is the ranking loss of AVG-LLaVA with
its cross-entropy; `cost` weighs the choice by the utility at stake, at one price of a token. The
last two order the scales and make no probabilities: the calibration that follows every router does.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from scipy.special import expit, softmax

from predictor.data import FloatArray, IntArray, NameArray, split_by_image
from predictor.routers.base import ArrayRouter, center_and_spread, log_odds

if TYPE_CHECKING:
    from torch import Tensor

LOSSES: Final = ("bce", "rank", "cost")


@dataclass(frozen=True)
class MlpSettings:
    """Settings of the network.

    Attributes:
        loss: `bce`, `rank` or `cost`.
        networks: networks that start differently and are averaged; one alone is a noisy guess.
        hidden: units of the hidden layer.
        rate: learning rate of Adam.
        decay: shrinkage of the weights at each step, times the rate.
        epochs: most passes over the training rows.
        batch: rows per step.
        held_share: share of the clusters, drawn at random, whose rows decide when to stop and are
            not learnt from.
        patience: passes without a better held-out loss before it stops.
        margin: margin of the ranking loss for neighbouring ranks.
        choice_weight: weight of the cross-entropy beside the ranking loss.
        price: loss of accuracy that the largest scale's cost is worth, for `cost`.
        seed: seed of the clusters held out, of the start and of the batches.
    """

    loss: str = "bce"
    networks: int = 3
    hidden: int = 64
    rate: float = 3e-3
    decay: float = 1e-2
    epochs: int = 200
    batch: int = 128
    held_share: float = 0.2
    patience: int = 12
    margin: float = 1.0
    choice_weight: float = 0.1
    price: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, got {self.loss!r}")
        if self.networks < 1:
            raise ValueError(f"networks must be at least 1, got {self.networks}")


class MlpRouter(ArrayRouter):
    """Networks with one hidden layer of rectified units on standardised features, averaged.

    With the losses `rank` and `cost` it predicts shares of preference.

    Attributes:
        settings: what it was built with; a loaded router has the defaults here.
    """

    kind: ClassVar[str] = "mlp"
    file: ClassVar[str] = "mlp.npz"
    # k networks of h hidden units
    shapes: ClassVar[dict[str, str]] = {
        "in": "kdh",
        "in.bias": "kh",
        "out": "khs",
        "out.bias": "ks",
        "center": "d",
        "shrink": "d",
        "softmax": "",
    }

    def __init__(self, scales: tuple[int, ...], settings: MlpSettings | None = None) -> None:
        super().__init__(scales)
        self.settings = settings or MlpSettings()

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        center, spread = center_and_spread(x)
        shrink = 1.0 / spread
        rngs = [
            np.random.default_rng([self.settings.seed, network])
            for network in range(self.settings.networks)
        ]
        starts = [self._start(x.shape[1], y, w, rng) for rng in rngs]
        # One array for all k networks: they train in one product.
        layers = {name: np.stack([start[name] for start in starts]) for name in starts[0]}
        # A row weighs 1 on average, so that the unit of the weights does not matter.
        weights = w / w.max(axis=1).mean()
        parts = self._part(clusters, w)
        self.arrays_ = {
            **self._train(layers, ((x - center) * shrink, y, weights), parts, rngs),
            "center": center,
            "shrink": shrink,
            "softmax": np.array(float(self.settings.loss != "bce")),
        }

    def _part(self, clusters: NameArray, w: FloatArray) -> tuple[IntArray, IntArray]:
        """Give the rows to learn from and those that decide when to stop, no cluster on both sides.

        Drawn from all rows, since the last ones may be a data set of their own.
        """
        known = np.flatnonzero(w.any(axis=1))  # what weighs nothing neither teaches nor decides
        if len(np.unique(clusters[known])) < 2:
            return known, known
        s = self.settings
        learn, held = split_by_image(clusters[known], s.held_share, s.seed)
        return known[learn], known[held]

    def _start(
        self, width: int, y: FloatArray, w: FloatArray, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        hidden = self.settings.hidden
        scales = y.shape[1]
        # The losses that only order scales start without a preference: from a strong one they
        # learn nothing.
        offsets: FloatArray = np.zeros(scales)
        if self.settings.loss == "bce":
            rates = np.average(y, axis=0, weights=w)
            # Half a row each way, so that scores that are all alike are never quite 0 or 1.
            offsets = log_odds((rates * len(y) + 0.5) / (len(y) + 1))
        return {
            # He et al. 2015 (arXiv 1502.01852), for rectified units.
            "in": rng.normal(0, np.sqrt(2 / width), (width, hidden)),
            "in.bias": np.zeros(hidden),
            "out": np.zeros((hidden, scales)),
            "out.bias": offsets,
        }

    def _train(
        self,
        layers: dict[str, FloatArray],
        rows: tuple[FloatArray, FloatArray, FloatArray],
        parts: tuple[IntArray, IntArray],
        rngs: list[np.random.Generator],
    ) -> dict[str, FloatArray]:
        """Train the networks side by side, each until its held-out loss gets no better.

        Source: Loshchilov and Hutter 2019 (arXiv 1711.05101), Adam with decoupled decay.
        """
        import torch  # only for training: a saved network predicts without it

        s = self.settings
        x, y, w = (torch.from_numpy(part) for part in rows)  # [n, d], [n, s], [n, s]
        now = {name: torch.tensor(start, requires_grad=True) for name, start in layers.items()}
        groups = [
            {"params": [now["in"], now["out"]], "weight_decay": s.decay},
            {"params": [now["in.bias"], now["out.bias"]], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=s.rate)
        learn, held = (torch.from_numpy(part) for part in parts)
        # The same for all networks, so not copied for each [k, m, ...].
        aside = tuple(part[held].expand(len(rngs), -1, -1) for part in (x, y, w))
        weight = w[held].amax(dim=1).sum()
        best = {name: value.detach().clone() for name, value in now.items()}
        least = torch.full((len(rngs),), torch.inf, dtype=x.dtype)
        waited = torch.zeros(len(rngs))
        for _ in range(s.epochs):
            orders = torch.from_numpy(np.stack([rng.permutation(len(learn)) for rng in rngs]))
            for batch in torch.split(learn[orders], s.batch, dim=1):  # [k, b]
                optimizer.zero_grad()
                loss = self._weigh(now, x[batch], y[batch], w[batch]).mean(dim=1)
                # The networks share no weight: the slope of the sum is each network's own.
                torch.autograd.backward(loss.sum())
                optimizer.step()
            with torch.no_grad():
                loss = self._weigh(now, *aside).sum(dim=1) / weight  # [k]
            # 1e-5 less, so that a crawl does not count as progress.
            better = (loss < least - 1e-5) & (waited < s.patience)
            least = torch.where(better, loss, least)
            waited = torch.where(better, 0, waited + 1)
            for name, value in now.items():
                # One that has waited too long trains on with the others, but keeps its best.
                best[name][better] = value.detach()[better]
            if (waited >= s.patience).all():
                break
        return {name: value.numpy() for name, value in best.items()}

    def _weigh(
        self, layers: "dict[str, Tensor]", x: "Tensor", y: "Tensor", w: "Tensor"
    ) -> "Tensor":
        """Give the weighted loss of rows that differ from network to network [k, b]."""
        hidden = (x @ layers["in"] + layers["in.bias"][:, None]).relu()  # [k, b, h]
        logits = hidden @ layers["out"] + layers["out.bias"][:, None]  # [k, b, s]
        return self._measure(logits, y, w > 0) * w.amax(dim=-1)

    def _measure(self, logits: "Tensor", scores: "Tensor", known: "Tensor") -> "Tensor":
        """Give the loss of each row [k, b]."""
        from predictor.routers.mlp_losses import cross_entropy, ranking, weighted_choice

        s = self.settings
        if s.loss == "rank":
            return ranking(logits, scores, known, s.margin, s.choice_weight)
        if s.loss == "cost":
            costs = logits.new_tensor([s.price * scale / max(self.scales) for scale in self.scales])
            return weighted_choice(logits, scores, known, costs)
        return cross_entropy(logits, scores, known)

    def _predict(self, x: FloatArray) -> FloatArray:
        a = self.arrays_
        standard = (x - a["center"]) * a["shrink"]
        hidden = np.maximum(standard @ a["in"] + a["in.bias"][:, None, :], 0.0)  # [k, n, h]
        logits = hidden @ a["out"] + a["out.bias"][:, None, :]  # [k, n, s]
        outputs = softmax(logits, axis=-1) if a["softmax"] else expit(logits)
        return np.asarray(outputs.mean(axis=0))
