"""Which kind of router is kept: the one that closes most of the gap on the calibration split.

Judged by image folds (`crossing.py`) at an eighth of the dearest cost, 72 of 576 tokens. What was
chosen on a split is certified on it at a stricter level, since any of the candidates could have
been chosen (`certify.py`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from predictor.calibration import Calibrator
from predictor.crossing import cross_choose, measure_gap
from predictor.data import FloatArray, TrainData
from predictor.interface import Router

AUTO = "auto"
"""The kind that means: whichever of the candidates wins."""

CANDIDATES = ("boosted", "blend", "mlp", "linear")
"""What is compared; of equals the earlier is kept."""

_PARTS = {AUTO: ("boosted", "mlp", "linear"), "blend": ("boosted", "mlp")}

_BUDGET_SHARE = 8


def list_parts(kind: str) -> tuple[str, ...]:
    """List what has to be tuned and trained for a kind.

    Args:
        kind: a kind of router, or `AUTO`.

    Returns:
        Kinds that have settings of their own.
    """
    return _PARTS.get(kind, (kind,))


def pick_router(
    routers: Mapping[str, Router], rows: FloatArray, data: TrainData, method: str
) -> tuple[Router, list[dict[str, Any]]]:
    """Pick the best of fitted routers.

    Args:
        routers: the candidates by kind, in the order of `CANDIDATES`.
        rows: feature rows of the calibration split [n, d].
        data: the calibration split.
        method: how probabilities are calibrated, `platt` or `isotonic`.

    Returns:
        The router, and the table of candidates, best first: kind, budget, gap closed. A split
        without a gap leaves the first candidate.
    """
    budget = float(data.tokens[:, -1].mean()) / _BUDGET_SHARE
    budget = max(budget, float(data.tokens[:, 0].mean()))
    table: list[dict[str, Any]] = []
    for kind, router in routers.items():
        raw = router.predict_proba(rows)
        found = Calibrator(data.scales, method).fit(raw, data.scores).transform(raw)
        gap = measure_gap(data, cross_choose(found, data, budget))
        table.append({"kind": kind, "budget": budget, "ogc": gap if np.isfinite(gap) else None})
    table.sort(key=lambda row: -np.inf if row["ogc"] is None else -row["ogc"])
    return routers[table[0]["kind"]], table
