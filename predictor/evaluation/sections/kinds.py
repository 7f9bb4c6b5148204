"""Every kind of router beside each other: section `zoo` of results.json.

Sorted by the gap closed on the calibration split at the headline budget, which is also how
`--kind auto` picks; the test split has no influence on the order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from predictor.data import Results, TrainData
from predictor.evaluation.runs import EvaluationSettings, SeedRun
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
    test: TrainData, kinds: Sequence[TrainedKind], results: Results, evaluation: EvaluationSettings
) -> list[Results]:
    """Make a row of every kind of router, best on the calibration split first.

    Args:
        test: the test split.
        kinds: the kinds; the first one is the router of the report.
        results: what `evaluate` gave.
        evaluation: what is reported.
    """
    rows = [_describe(test, kind, kind is kinds[0], results, evaluation) for kind in kinds]
    key = f"calibration_{evaluation.headline_key}"
    # NaN, where there is no gap to close, sorts as 0: no order holds among NaN.
    return sorted(rows, key=lambda row: -np.nan_to_num(row[key]))


def _describe(
    test: TrainData,
    kind: TrainedKind,
    is_default: bool,
    results: Results,
    evaluation: EvaluationSettings,
) -> Results:
    router = results["router"] if is_default else results["baselines"][kind.name]
    control = {} if is_default else results["controls"][kind.name]
    headline = router["at"][f"{evaluation.headline:g}"]
    key = evaluation.headline_key
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
        **_describe_parity(test, kind, evaluation.fewest),
        **kind.measured,
        "train_s": kind.seconds,
        "settings": _own_settings(kind.settings),
    }


def _describe_parity(test: TrainData, kind: TrainedKind, fewest: int) -> Results:
    """Measure the parity point, mean of the trainings; nothing where it is not established."""
    names = ("parity_tokens", "parity_share", "parity_drop")
    if test.n_images < fewest or not all(run.parity.established for run in kind.runs):
        return dict.fromkeys(names)
    rows = np.arange(len(test))
    picks = [run.parity.chosen[:, 0] for run in kind.runs]
    tokens = float(np.mean([test.tokens[rows, pick].mean() for pick in picks]))
    accuracy = float(np.mean([test.scores[rows, pick].mean() for pick in picks]))
    share = tokens / float(test.tokens[:, -1].mean())
    lost = float(test.scores[:, -1].mean()) - accuracy
    return dict(zip(names, (tokens, share, lost), strict=True))


def _own_settings(settings: TrainSettings) -> Results:
    """Give the settings of the kind, without those of the others."""
    # Two kinds keep their settings under another name than their own.
    field = {"knn": "neighbours", "ordinal": "linear"}.get(settings.kind, settings.kind)
    own: Results = asdict(settings).get(field, {})
    return own
