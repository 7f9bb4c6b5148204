"""The two linear fits that feature rows are made of: PCA and out-of-fold ridge regression.

Not scikit-learn's: its PCA keeps directions that hold nothing but rounding, and its RidgeCV does
not share one Gram matrix over the folds and the final fit.
"""

import numpy as np

from predictor.data import FloatArray, IntArray

_PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
_SMALLEST = 1e-6


def fit_pca(x: FloatArray, width: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Find the leading directions of standardised columns, scaled to unit variance.

    Columns are standardised first because a few of a language model's dimensions are a hundred
    times larger than the rest and would be all that PCA sees.

    Args:
        x: rows [n, d].
        width: directions to keep; fewer if n or d is smaller.
        rng: source of the random start.

    Returns:
        Center [d] and projection [d, k], float32: (x - center) @ projection has columns of unit
        variance, or of 0 where there are fewer real directions than asked for.

    Source: Halko, Martinsson and Tropp 2011 (randomised range finder with power iterations).
    """
    center = x.mean(axis=0)
    spread = x.std(axis=0)
    shrink = np.where(spread > _SMALLEST, 1.0 / np.maximum(spread, _SMALLEST), 0.0)
    z = ((x - center) * shrink).astype(np.float32)  # [n, d]
    k = min(width, *z.shape)
    # Ten directions more than are kept: the last ones of a random range are blurred [d, k + 10].
    basis = rng.standard_normal((z.shape[1], min(k + 10, *z.shape))).astype(np.float32)
    for _ in range(4):  # power iterations: each makes the leading directions stand out more
        basis, _ = np.linalg.qr(z.T @ (z @ basis))
    # In the small space [n, k + 10]: an SVD of z itself would be far slower.
    _, sizes, rows = np.linalg.svd(z @ basis, full_matrices=False)
    deviations = sizes[:k] / np.sqrt(len(z))
    # A direction of rounding alone would be blown up to unit variance.
    real = deviations > 1e-3 * max(float(deviations.max(initial=0.0)), _SMALLEST)
    kept = basis @ rows[:k].T * np.where(real, 1.0 / np.maximum(deviations, _SMALLEST), 0.0)
    return center.astype(np.float32), (kept * shrink[:, None]).astype(np.float32)


def fit_ridge(
    design: FloatArray, target: FloatArray, folds: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Fit one ridge regression per column, its penalty chosen by the out-of-fold error.

    Args:
        design: rows with a column of ones first [n, d].
        target: scores [n, s].
        folds: fold of each row [n].

    Returns:
        Out-of-fold predictions [n, s] and the weights of a fit on all rows [d, s].
    """
    x = np.asarray(design, np.float64)
    gram = x.T @ x  # [d, d]
    cross = x.T @ target  # [d, s]
    guesses = np.zeros((len(_PENALTIES), *target.shape))  # [penalties, n, s]
    for fold in np.unique(folds):
        out = folds == fold
        held = x[out]
        # The sums of all rows but the fold's, without another pass over them.
        others = gram - held.T @ held
        part = cross - held.T @ target[out]
        for index, penalty in enumerate(_PENALTIES):
            guesses[index, out] = held @ _solve(others, part, penalty)
    best = int(((guesses - target) ** 2).mean(axis=(1, 2)).argmin())
    return guesses[best], _solve(gram, cross, _PENALTIES[best])


def _solve(gram: FloatArray, cross: FloatArray, penalty: float) -> FloatArray:
    diagonal = np.full(len(gram), penalty)
    diagonal[0] = _SMALLEST  # the column of ones: a mean is not shrunk
    return np.linalg.solve(gram + np.diag(diagonal), cross)
