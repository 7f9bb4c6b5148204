"""A small neural network, one hidden layer, in plain numpy: the same on every machine.

Three losses: `bce` learns P(correct) of every scale; `rank` is the ranking loss of AVG-LLaVA with
its cross-entropy; `cost` weighs the choice by the utility at stake, at one price of a token. The
last two order the scales and make no probabilities: the calibration that follows every router does.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from predictor.data import FloatArray
from predictor.routers.base import ArrayRouter, center_and_spread, log_odds, sigmoid
from predictor.routers.mlp_losses import (
    LOSSES,
    Mask,
    cross_entropy,
    ranking,
    softmax,
    weighted_choice,
)

Layers: TypeAlias = dict[str, FloatArray]


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
        batch: rows a step.
        held_share: share of the rows, the last ones, that decide when to stop. Rows come image by
            image from labels, so no image but one is on both sides.
        patience: passes without a better held-out loss before it stops.
        margin: margin of the ranking loss for neighbouring ranks.
        choice_weight: weight of the cross-entropy beside the ranking loss.
        price: loss of accuracy that the largest scale's cost is worth, for `cost`.
        seed: seed of the start and of the batches.
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
        """Check the loss and the number of networks.

        Raises:
            ValueError: if there is no such loss or no network.
        """
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

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray) -> None:
        center, spread = center_and_spread(x)
        shrink = 1.0 / spread
        scaled, found = (x - center) * shrink, []
        for network in range(self.settings.networks):
            rng = np.random.default_rng([self.settings.seed, network])
            layers = self._start(x.shape[1], y, w, rng)
            found.append(self._train(layers, scaled, y, w / w.max(axis=1).mean(), rng))
        stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
        soft = np.array(float(self.settings.loss != "bce"))
        self.arrays_ = {**stacked, "center": center, "shrink": shrink, "softmax": soft}

    def _start(self, width: int, y: FloatArray, w: FloatArray, rng: np.random.Generator) -> Layers:
        rates = np.average(y, axis=0, weights=w)
        return {
            "in": rng.normal(0, np.sqrt(2 / width), (width, self.settings.hidden)),
            "in.bias": np.zeros(self.settings.hidden),
            "out": np.zeros((self.settings.hidden, y.shape[1])),
            # Half a row each way, so that scores that are all alike are never quite 0 or 1. The
            # other losses start without a preference: from a strong one they learn nothing.
            "out.bias": log_odds((rates * len(y) + 0.5) / (len(y) + 1))
            if self.settings.loss == "bce"
            else np.zeros(len(rates)),
        }

    def _train(
        self, layers: Layers, x: FloatArray, y: FloatArray, w: FloatArray, rng: np.random.Generator
    ) -> Layers:
        s = self.settings
        learn = max(round(len(x) * (1 - s.held_share)), 1)
        heard = learn < len(x) and w[learn:].sum() > 0
        held = slice(learn, None) if heard else slice(None)
        best, least, waited = layers, np.inf, 0
        state = {name: (np.zeros_like(v), np.zeros_like(v)) for name, v in layers.items()}
        step = 0
        for _ in range(s.epochs):
            order = rng.permutation(learn)
            for start in range(0, learn, s.batch):
                rows, step = order[start : start + s.batch], step + 1
                slopes = self._slopes(layers, x[rows], y[rows], w[rows])
                layers = {n: self._move(v, slopes[n], state[n], step) for n, v in layers.items()}
            loss, _ = self._measure(_logits(layers, x[held])[1], y[held], w[held] > 0)
            found = float(np.average(loss, weights=w[held].max(axis=1)))
            best, least, waited = (
                (layers, found, 0) if found < least - 1e-5 else (best, least, waited + 1)
            )
            if waited >= s.patience:
                break
        return best

    def _measure(
        self, logits: FloatArray, y: FloatArray, known: Mask
    ) -> tuple[FloatArray, FloatArray]:
        """Give the loss of each row [n] and its slope in the logits [n, s]."""
        s = self.settings
        if s.loss == "rank":
            return ranking(logits, y, known, s.margin, s.choice_weight)
        if s.loss == "cost":
            costs = s.price * np.array(self.scales) / max(self.scales)
            return weighted_choice(logits, y, known, costs)
        return cross_entropy(logits, y, known)

    def _slopes(self, layers: Layers, x: FloatArray, y: FloatArray, w: FloatArray) -> Layers:
        """Give the gradient of the weighted mean loss."""
        hidden, logits = _logits(layers, x)
        _, slope = self._measure(logits, y, w > 0)
        slope = slope * w.max(axis=1, keepdims=True) / len(x)
        back = (slope @ layers["out"].T) * (hidden > 0)
        return {
            "in": x.T @ back,
            "in.bias": back.sum(axis=0),
            "out": hidden.T @ slope,
            "out.bias": slope.sum(axis=0),
        }

    def _move(
        self, value: FloatArray, slope: FloatArray, state: tuple[FloatArray, FloatArray], step: int
    ) -> FloatArray:
        """Take one step of Adam with decoupled decay; `state` is changed.

        Source: Loshchilov and Hutter 2019 (arXiv 1711.05101).
        """
        mean, square = state
        mean += 0.1 * (slope - mean)
        square += 0.001 * (slope**2 - square)
        direction = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        decay = self.settings.decay if value.ndim == 2 else 0.0
        return np.asarray(value - self.settings.rate * (direction + decay * value))

    def _predict(self, x: FloatArray) -> FloatArray:
        a = self.arrays_
        _, logits = _logits(a, (x - a["center"]) * a["shrink"])  # [k, n, s]
        outputs = softmax(logits) if a["softmax"] else sigmoid(logits)
        return np.asarray(outputs.mean(axis=0))


def _logits(layers: Layers, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    # One network's layers, or those of several with a dimension more in front.
    hidden = np.maximum(x @ layers["in"] + layers["in.bias"][..., None, :], 0.0)
    return hidden, hidden @ layers["out"] + layers["out.bias"][..., None, :]
