"""The two linear fits that feature rows are made of: PCA and out-of-fold ridge regression.

Both see their rows block by block and keep sums, so that the rows need not fit into memory. Not
scikit-learn's: its PCA keeps directions that hold nothing but rounding, and its RidgeCV does not
share one Gram matrix over the folds and the final fit.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from predictor.data import FloatArray, IntArray
from predictor.rows import cut_rows

_PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
_SMALLEST = 1e-6

Blocks = Callable[[], Iterable[Mapping[str, FloatArray]]]
"""Gives all rows from the start: blocks of some rows of every part [k, width of the part]."""


@dataclass(frozen=True)
class Columns:
    """What standardises the d columns of a part.

    Attributes:
        count: number of rows.
        center: means [d].
        spread: standard deviations [d].
    """

    count: int
    center: FloatArray
    spread: FloatArray

    @property
    def shrink(self) -> FloatArray:
        """What standardised columns are multiplied by, 0 for a constant one [d]."""
        known = self.spread > _SMALLEST
        return np.where(known, 1.0 / np.maximum(self.spread, _SMALLEST), 0.0)

    def standardise(self, x: FloatArray) -> FloatArray:
        """Give rows [k, d] with mean 0 and deviation 1 over all rows, float32."""
        return np.asarray((x - self.center) * self.shrink, np.float32)


def measure_columns(blocks: Blocks) -> dict[str, Columns]:
    """Measure mean and standard deviation of every column of every part, in one pass.

    Source: Chan, Golub and LeVeque 1983 (sums of squares of two sets joined).
    """
    sums: dict[str, tuple[int, FloatArray, FloatArray]] = {}  # rows, means, sums of squares
    dtypes = {}
    for block in blocks():
        for name, x in block.items():
            dtypes[name] = x.dtype
            n, mean, squares = sums.get(name, (0, np.zeros(x.shape[1]), np.zeros(x.shape[1])))
            total = n + len(x)
            step = x.mean(axis=0).astype(np.float64) - mean
            squares = squares + len(x) * x.var(axis=0).astype(np.float64)
            squares += step**2 * n * len(x) / total
            sums[name] = (total, mean + step * (len(x) / total), squares)
    return {
        name: Columns(n, mean.astype(dtypes[name]), np.sqrt(squares / n).astype(dtypes[name]))
        for name, (n, mean, squares) in sums.items()
    }


def fit_pca(
    blocks: Blocks,
    columns: Mapping[str, Columns],
    widths: Mapping[str, int],
    rng: np.random.Generator,
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Find the leading directions of standardised columns, scaled to unit variance.

    Columns are standardised first because a few of a language model's dimensions are a hundred
    times larger than the rest and would be all that PCA sees. Parts are fitted side by side, since
    reading them costs more than fitting them.

    Args:
        blocks: rows [n, d] of every part.
        columns: what `measure_columns` gave for the same blocks.
        widths: directions to keep of each part; fewer if n or d is smaller.
        rng: source of the random start.

    Returns:
        Part to center [d] and projection [d, k], float32: (x - center) @ projection has columns of
        unit variance, or of 0 where there are fewer real directions than asked for.

    Source: Halko, Martinsson and Tropp 2011 (randomised range finder with power iterations).
    """
    bases = {name: _draw_basis(columns[name], width, rng) for name, width in widths.items()}
    for _ in range(4):  # power iterations: each makes the leading directions stand out more
        turned = {name: np.zeros_like(basis) for name, basis in bases.items()}
        for block in blocks():
            for name, basis in bases.items():
                z = columns[name].standardise(block[name])  # [rows of the block, d]
                turned[name] += z.T @ (z @ basis)
        bases = {name: np.linalg.qr(sums)[0] for name, sums in turned.items()}
    small: dict[str, list[FloatArray]] = {name: [] for name in bases}
    for block in blocks():
        for name, basis in bases.items():
            small[name].append(columns[name].standardise(block[name]) @ basis)
    return {
        name: _scale_directions(columns[name], widths[name], basis, np.concatenate(small[name]))
        for name, basis in bases.items()
    }


def _draw_basis(columns: Columns, width: int, rng: np.random.Generator) -> FloatArray:
    # Ten directions more than are kept: the last ones of a random range are blurred [d, k + 10].
    shape = (columns.count, len(columns.center))
    return rng.standard_normal((shape[1], min(width + 10, *shape))).astype(np.float32)


def _scale_directions(
    columns: Columns, width: int, basis: FloatArray, small: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Turn a basis [d, k + 10] to the leading directions of the rows in it [n, k + 10]."""
    k = min(width, columns.count, len(columns.center))
    # In the small space: an SVD of all columns would be far slower.
    _, sizes, rows = np.linalg.svd(small, full_matrices=False)
    deviations = sizes[:k] / np.sqrt(columns.count)
    # A direction of rounding alone would be blown up to unit variance.
    real = deviations > 1e-3 * max(float(deviations.max(initial=0.0)), _SMALLEST)
    kept = basis @ rows[:k].T * np.where(real, 1.0 / np.maximum(deviations, _SMALLEST), 0.0)
    projection = (kept * columns.shrink[:, None]).astype(np.float32)
    return columns.center.astype(np.float32), projection


def fit_ridge(
    design: Callable[[slice], FloatArray], target: FloatArray, folds: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Fit one ridge regression per column, its penalty chosen by the out-of-fold error.

    Args:
        design: gives rows by their numbers, with a column of ones first [k, d].
        target: scores [n, s].
        folds: fold of each row [n].

    Returns:
        Out-of-fold predictions [n, s] and the weights of a fit on all rows [d, s].
    """
    width = design(slice(0, 1)).shape[1]
    blocks = list(cut_rows(len(target), width))
    names = np.unique(folds)
    gram, cross = np.zeros((width, width)), np.zeros((width, target.shape[1]))
    grams = np.zeros((len(names), *gram.shape))  # of the rows of each fold
    crosses = np.zeros((len(names), *cross.shape))
    for rows in blocks:
        x = np.asarray(design(rows), np.float64)
        gram += x.T @ x
        cross += x.T @ target[rows]
        for index, fold in enumerate(names):
            held = folds[rows] == fold
            grams[index] += x[held].T @ x[held]
            crosses[index] += x[held].T @ target[rows][held]
    # Fitted on the sums of all rows but the fold's [folds, penalties, d, s].
    without = [
        [_solve(gram - grams[index], cross - crosses[index], penalty) for penalty in _PENALTIES]
        for index in range(len(names))
    ]
    guesses = np.zeros((len(_PENALTIES), *target.shape))  # [penalties, n, s]
    for rows in blocks:
        x = np.asarray(design(rows), np.float64)
        for index, fold in enumerate(names):
            held = np.flatnonzero(folds[rows] == fold)
            for number, weights in enumerate(without[index]):
                guesses[number, rows.start + held] = x[held] @ weights
    best = int(np.argmin([((guess - target) ** 2).mean() for guess in guesses]))
    return guesses[best], _solve(gram, cross, _PENALTIES[best])


def _solve(gram: FloatArray, cross: FloatArray, penalty: float) -> FloatArray:
    diagonal = np.full(len(gram), penalty)
    diagonal[0] = _SMALLEST  # the column of ones: a mean is not shrunk
    return np.linalg.solve(gram + np.diag(diagonal), cross)
