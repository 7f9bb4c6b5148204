"""Calibration of a router's probabilities, scale by scale, on rows the router never saw.

Not a classifier: it keeps the order of a scale's probabilities and only moves them to where they
mean what they say.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from predictor.data import FloatArray
from predictor.routers.arrays import ANY, pack_arrays, unpack_arrays
from predictor.routers.base import log_odds
from predictor.routers.linear import LinearSettings, fit_logistic

METHODS = ("platt", "isotonic")

AXES = {"platt": "p", "isotonic": f"p{ANY}"}
"""Axes of a scale's map: p is 2, for slope and offset or for both ends of the lines."""


_OWN = np.array([-1.0, 1.0])
"""Log-odds of made-up rows, from the router's mean on, whose targets are its own but for b."""

_GENTLE = 0.0025
"""What such a row weighs; they tell as much of a as a ridge penalty of 0.001."""


@dataclass
class Calibrator:
    """One monotone map of [0, 1] per scale.

    Attributes:
        scales: the scales in column order [s].
        method: `platt` (two numbers per scale) or `isotonic` (a step-wise linear map).
        maps_: learnt numbers per scale: [2] slope and offset in log-odds, or [2, m] knots.

    A router that says 0.9 and is right three times out of four:

    >>> claimed, right = np.full((400, 1), 0.9), np.tile([[1.0], [1.0], [1.0], [0.0]], (100, 1))
    >>> Calibrator((36,)).fit(claimed, right).transform(np.array([[0.9]])).round(2)
    array([[0.75]])
    """

    scales: tuple[int, ...]
    method: str = "platt"
    maps_: list[FloatArray] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"calibration must be one of {METHODS}, got {self.method!r}")

    def fit(self, probabilities: FloatArray, correct: FloatArray) -> "Calibrator":
        """Learn one map per scale.

        Args:
            probabilities: the router's [n, s].
            correct: what happened [n, s], in [0, 1].

        Raises:
            ValueError: if shapes disagree or there is no row.
        """
        p, y = np.asarray(probabilities, np.float64), np.asarray(correct, np.float64)
        if p.shape != y.shape or p.ndim != 2 or p.shape[1] != len(self.scales) or len(p) == 0:
            raise ValueError(
                f"calibration needs two arrays [n, {len(self.scales)}] with n >= 1, "
                f"got {p.shape} and {y.shape}"
            )
        learn = _fit_platt if self.method == "platt" else _fit_isotonic
        self.maps_ = [learn(p[:, k], y[:, k]) for k in range(p.shape[1])]
        return self

    def transform(self, probabilities: FloatArray) -> FloatArray:
        """Move probabilities to their calibrated values.

        Args:
            probabilities: the router's [n, s].

        Returns:
            Calibrated probabilities [n, s], float64.

        Raises:
            ValueError: if the calibrator is not fitted or the width is wrong.
        """
        p = np.asarray(probabilities, np.float64)
        if len(self.maps_) != len(self.scales):
            raise ValueError("this calibrator is not fitted; call fit first")
        if p.ndim != 2 or p.shape[1] != len(self.scales):
            raise ValueError(f"probabilities must be [n, {len(self.scales)}], got {p.shape}")
        if self.method == "platt":
            learnt = np.stack(self.maps_)  # [s, 2], slope and offset
            return np.asarray(expit(log_odds(p) * learnt[:, 0] + learnt[:, 1]))
        # Outside its knots a step-wise map stays flat, as np.interp does.
        columns = [np.interp(p[:, k], knots[0], knots[1]) for k, knots in enumerate(self.maps_)]
        return np.column_stack(columns)

    def to_bytes(self) -> bytes:
        """Give everything learnt as an .npz."""
        return pack_arrays({f"{self.method}.{k}": learnt for k, learnt in enumerate(self.maps_)})

    @classmethod
    def from_bytes(cls, content: bytes, scales: tuple[int, ...]) -> "Calibrator":
        """Rebuild a fitted calibrator.

        Args:
            content: what `to_bytes` gave.
            scales: the scales in column order [s].

        Raises:
            ValueError: if the content does not fit the scales.
        """
        axes = {f"{m}.{k}": size for m, size in AXES.items() for k in range(len(scales))}
        arrays = unpack_arrays(content, "calibration", axes, {"p": 2}, optional=axes)
        for method in METHODS:
            names = [f"{method}.{k}" for k in range(len(scales))]
            if set(names) == set(arrays):
                return cls(scales, method, [arrays[name] for name in names])
        raise ValueError(f"calibration must hold one map for each of {len(scales)} scales")


def _fit_platt(p: FloatArray, y: FloatArray) -> FloatArray:
    """Fit sigmoid(a * log-odds + b), pulled gently towards a = 1 so that few rows do no harm.

    Source: Platt 1999, Probabilistic outputs for support vector machines; the smoothed targets
        (k + 1) / (n + 2) at the ends are his.
    """
    n = len(y)
    # Platt's targets: never sure of what so few rows say.
    target = np.clip(y, 1.0 / (n + 2), (n + 1.0) / (n + 2))
    claimed = log_odds(p)
    # On the best map of slope 1: an offset in the data shall not move the slope.
    own = claimed.mean() + _OWN
    rows = (
        np.append(claimed, own)[:, None],
        np.append(target, expit(own + _find_offset(claimed, target))),
        np.append(np.ones(n), np.full(len(_OWN), _GENTLE)),
    )
    # The penalty of its own would pull towards a = 0.
    beta = fit_logistic(*rows, LinearSettings(l2=1e-9))
    # A falling map would turn the router's order round; a flat one says "it knows nothing".
    return beta if beta[0] > 0 else _flat(target)


def _find_offset(claimed: FloatArray, target: FloatArray) -> float:
    """Find the b with which the mean of sigmoid(log-odds + b) is that of the targets."""
    # Not at the top: a saved router is used without it.
    from scipy.optimize import brentq

    # Log-odds end at 14, and those of a mean target at the logarithm of the rows.
    return float(brentq(lambda b: (expit(claimed + b) - target).mean(), -50.0, 50.0))


def _flat(target: FloatArray) -> FloatArray:
    return np.array([0.0, float(log_odds(target.mean()))])


def _fit_isotonic(p: FloatArray, y: FloatArray) -> FloatArray:
    """Fit a rising step-wise linear map; give its knots [2, m].

    Source: Zadrozny and Elkan 2002 for isotonic regression as a calibration.
    """
    # Not at the top: a saved router is used without it.
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression().fit(p, y)
    return np.stack([fitted.X_thresholds_, fitted.y_thresholds_])
