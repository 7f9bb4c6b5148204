"""Every kind of router beside each other: section `zoo` of results.json.

Sorted by the gap closed on the calibration split at the headline budget, which is also how
`--kind auto` picks; the test split has no influence on the order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from predictor.data import Results
from predictor.evaluation.runs import PreparedSplit, SeedRun
from predictor.evaluation.sections.curves import measure_parity
from predictor.training.train import TrainSettings


@dataclass(frozen=True)
class TrainedKind:
    """One kind of router, all its trainings.

    Attributes:
        name: name of the method.
        settings: what it was trained with, tuned.
        runs: what it chose, one per seed.
        gaps: gap closed on the calibration split at the headline budget, one per seed.
        seconds: time of a training [s].
        measured: what `measure_router` gave.
    """

    name: str
    settings: TrainSettings
    runs: Sequence[SeedRun]
    gaps: Sequence[float]
    seconds: float
    measured: Mapping[str, float]


def describe_kinds(
    prepared: PreparedSplit, kinds: Sequence[TrainedKind], results: Results
) -> list[Results]:
    """Make a row of every kind of router, best on the calibration split first.

    Args:
        prepared: the prepared test split.
        kinds: the kinds; the first one is the router of the report.
        results: what `evaluate` gave.
    """
    rows = [_describe(prepared, kind, kind is kinds[0], results) for kind in kinds]
    key = f"calibration_{prepared.settings.headline_key}"
    # NaN, where there is no gap to close, sorts as 0: no order holds among NaN.
    return sorted(rows, key=lambda row: -np.nan_to_num(row[key]))


def _describe(
    prepared: PreparedSplit, kind: TrainedKind, is_default: bool, results: Results
) -> Results:
    router = results["router"] if is_default else results["baselines"][kind.name]
    control = {} if is_default else results["controls"][kind.name]
    headline = router["at"][f"{prepared.settings.headline:g}"]
    key = prepared.settings.headline_key
    return {
        "name": kind.settings.kind if is_default else kind.name.replace("_", " "),
        "kind": kind.settings.kind,
        "is_default": is_default,
        "seeds": len(kind.runs),
        **{f"ogc_{target}": point["ogc"] for target, point in router["at"].items()},
        f"{key}_low": headline["ogc_low"],
        f"{key}_high": headline["ogc_high"],
        "behind_router": control.get("behind_router"),
        "behind_router_low": control.get("behind_router_low"),
        "behind_router_high": control.get("behind_router_high"),
        f"calibration_{key}": float(np.mean(kind.gaps)),
        **_describe_parity(prepared, kind),
        **kind.measured,
        "train_s": kind.seconds,
        "settings": _own_settings(kind.settings),
    }


def _describe_parity(prepared: PreparedSplit, kind: TrainedKind) -> Results:
    parity = measure_parity(prepared, [run.parity for run in kind.runs])
    return parity.tell(
        {
            "parity_tokens": parity.cost,
            "parity_share": parity.share,
            "parity_drop": parity.drop,
        }
    )


def _own_settings(settings: TrainSettings) -> Results:
    """Give the settings of the kind, without those of the others."""
    # Two kinds keep their settings under another name than their own.
    field = {"knn": "neighbours", "ordinal": "linear"}.get(settings.kind, settings.kind)
    own: Results = asdict(settings).get(field, {})
    return own
