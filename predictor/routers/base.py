"""What every router offers, and the small checks and formats that they share.

A router estimates P(correct) for every scale from a feature row. It knows nothing of cost, of
lambda or of where its features came from.
"""

import io
import zipfile
from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray


class Router(Protocol):
    """An estimator of the probability that each scale answers correctly."""

    kind: ClassVar[str]
    scales: tuple[int, ...]

    def fit(
        self, features: FloatArray, correct: FloatArray, *, weights: FloatArray | None = None
    ) -> "Router":
        """Learn from outcomes.

        Args:
            features: feature rows [n, d].
            correct: score of every scale [n, s], in [0, 1]; soft scores are allowed, NaN is a
                scale that was not tried.
            weights: weight of each row [n]; all 1 if left out.

        Returns:
            The router itself.

        Raises:
            ValueError: if shapes or values are wrong.
        """
        ...

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Estimate P(correct) at every scale.

        Args:
            features: feature rows [n, d].

        Returns:
            Probabilities [n, s], float64.

        Raises:
            ValueError: if the router is not fitted or the width is wrong.
        """
        ...

    def to_files(self) -> dict[str, bytes]:
        """Give everything learnt as named files that cannot hold code.

        Returns:
            File name -> content.

        Raises:
            ValueError: if the router is not fitted.
        """
        ...

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "Router":
        """Rebuild a fitted router. The caller has checked the content's hash before.

        Args:
            files: what `to_files` gave.
            scales: the scales in column order [s].

        Returns:
            A router that predicts the same numbers.

        Raises:
            ValueError: if a file is missing or does not fit the scales.
        """
        ...


def check_fit(
    features: FloatArray, correct: FloatArray, weights: FloatArray | None, scales: tuple[int, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Check what a router is asked to learn from.

    Args:
        features: feature rows [n, d].
        correct: scores [n, s], in [0, 1] or NaN where a scale was not tried.
        weights: row weights [n] or None.
        scales: the router's scales [s].

    Returns:
        Features [n, d], scores [n, s] and what each score weighs [n, s], all float64; a missing
        score is 0 and weighs nothing.

    Raises:
        ValueError: if shapes disagree, there is no row, a value is out of range, or a scale has no
            score that weighs anything.
    """
    x, y = np.asarray(features, np.float64), np.asarray(correct, np.float64)
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"features must be [n, d] with at least one row, got shape {x.shape}")
    if y.shape != (len(x), len(scales)):
        raise ValueError(f"correct must have shape {(len(x), len(scales))}, got {y.shape}")
    known = ~np.isnan(y)
    if not np.all((y[known] >= 0) & (y[known] <= 1)):
        raise ValueError("correct must lie in [0, 1], or be NaN where a scale was not tried")
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    if w.shape != (len(x),) or not np.all(np.isfinite(w) & (w >= 0)) or w.sum() == 0:
        raise ValueError(f"weights must be {len(x)} numbers >= 0, not all 0, got shape {w.shape}")
    heard = np.where(known, w[:, None], 0.0)
    mute = [scale for scale, total in zip(scales, heard.sum(axis=0), strict=True) if total == 0]
    if mute:
        raise ValueError(f"no row has a score at scale {mute[0]}; leave it out or label it")
    return x, np.where(known, y, 0.0), heard


def check_finite(features: FloatArray, kind: str) -> None:
    """Refuse features that a router without a place for missing values cannot take.

    Args:
        features: feature rows [n, d].
        kind: name of the router, for the message.

    Raises:
        ValueError: if a feature is NaN or infinite.
    """
    if not np.all(np.isfinite(features)):
        raise ValueError(f"the {kind} router takes no NaN or infinite feature")


def center_and_spread(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give what standardises features.

    Args:
        features: feature rows [n, d].

    Returns:
        Mean and standard deviation of every feature [d]; 1 where a feature never varies.
    """
    spread = features.std(axis=0)
    return features.mean(axis=0), np.where(spread > 0, spread, 1.0)


def check_width(features: FloatArray, width: int | None) -> FloatArray:
    """Check what a router is asked to predict from.

    Args:
        features: feature rows [n, d].
        width: the d that the router learnt from; None if it is not fitted.

    Returns:
        The features as float64, C order.

    Raises:
        ValueError: if the router is not fitted or the width differs.
    """
    if width is None:
        raise ValueError("this router is not fitted; call fit first or load a saved one")
    x = np.ascontiguousarray(features, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != width:
        raise ValueError(f"features must have shape [n, {width}], got {x.shape}")
    return x


def sigmoid(logits: FloatArray) -> FloatArray:
    """Turn log-odds into probabilities without overflow.

    Args:
        logits: log-odds, any shape.

    Returns:
        Probabilities, same shape.
    """
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, np.float64))))


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Turn probabilities into log-odds, kept within about +-14.

    Args:
        probabilities: numbers in [0, 1], any shape.

    Returns:
        Log-odds, same shape.
    """
    p = np.clip(np.asarray(probabilities, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p))


def pack_arrays(arrays: Mapping[str, FloatArray]) -> bytes:
    """Write arrays as the bytes of an .npz file; the same arrays give the same bytes.

    Args:
        arrays: name -> array of numbers.

    Returns:
        Content of the file.
    """
    buffer = io.BytesIO()
    # Sorted, because the order in the archive would otherwise follow the caller's dict.
    entries: dict[str, NDArray[np.generic]] = {name: arrays[name] for name in sorted(arrays)}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in entries.items():
            inner = io.BytesIO()
            np.lib.format.write_array(inner, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), inner.getvalue())
    return buffer.getvalue()


def unpack_arrays(content: bytes) -> dict[str, FloatArray]:
    """Read the bytes of an .npz file, never a pickle.

    Args:
        content: what `pack_arrays` gave.

    Returns:
        Name -> array.

    Raises:
        ValueError: if the content is not an .npz of plain arrays.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, AttributeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"not an .npz file of plain arrays: {error}") from error
