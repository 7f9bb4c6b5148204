"""Every kind of router beside each other: section `zoo` of results.json.

Sorted by what the calibration split says, by image folds, which is also how `--kind auto` picks;
the test split has no say in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from predictor.data import TrainData
from predictor.evaluation.runs import EvaluationSettings, SeedRun
from predictor.training.train import TrainSettings

Section = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One kind of router, all its trainings.

    Attributes:
        name: name among the contestants.
        settings: what it was trained with, tuned.
        runs: what it chose, one a seed.
        gaps: gap closed on the calibration split by image folds, one a seed.
        seconds: time of a training [s].
        measured: what `measure_router` gave.
    """

    name: str
    settings: TrainSettings
    runs: Sequence[SeedRun]
    gaps: Sequence[float]
    seconds: float
    measured: Mapping[str, float]


def describe_zoo(
    test: TrainData, entries: Sequence[Entry], results: Section, evaluation: EvaluationSettings
) -> list[Section]:
    """Make a row of every kind.

    Args:
        test: the test split.
        entries: the kinds; the first one is the router of the report.
        results: what `evaluate` gave.
        evaluation: the budgets.

    Returns:
        Rows, best on the calibration split first.
    """
    rows = [_describe(test, entry, entry is entries[0], results, evaluation) for entry in entries]
    return sorted(rows, key=lambda row: -np.nan_to_num(row[f"calibration_{_key(evaluation)}"]))


def _key(evaluation: EvaluationSettings) -> str:
    return f"ogc_{evaluation.headline:g}"


def _describe(
    test: TrainData,
    entry: Entry,
    is_default: bool,
    results: Section,
    evaluation: EvaluationSettings,
) -> Section:
    at = (results["router"] if is_default else results["baselines"][entry.name])["at"]
    head, key = at[f"{evaluation.headline:g}"], _key(evaluation)
    control = {} if is_default else results["controls"][entry.name]
    rows = np.arange(len(test))
    picks = [run.parity.chosen[:, 0] for run in entry.runs]
    tokens = float(np.mean([test.tokens[rows, pick].mean() for pick in picks]))
    accuracy = float(np.mean([test.scores[rows, pick].mean() for pick in picks]))
    return {
        "name": entry.settings.kind if is_default else entry.name.replace("_", " "),
        "kind": entry.settings.kind,
        "is_default": is_default,
        "seeds": len(entry.runs),
        **{f"ogc_{name}": found["ogc"] for name, found in at.items()},
        **{f"{key}_low": head["ogc_low"], f"{key}_high": head["ogc_high"]},
        **{
            name: control.get(name)
            for name in ("behind_router", "behind_router_low", "behind_router_high")
        },
        f"calibration_{key}": float(np.mean(entry.gaps)),
        "parity_tokens": tokens,
        "parity_share": tokens / float(test.tokens[:, -1].mean()),
        "parity_drop": float(test.scores[:, -1].mean()) - accuracy,
        **entry.measured,
        "train_s": entry.seconds,
        "settings": _own_settings(entry.settings),
    }


def _own_settings(settings: TrainSettings) -> Section:
    """Give the settings of the kind, without those of the others."""
    part = {"knn": "neighbours", "ordinal": "linear"}.get(settings.kind, settings.kind)
    own: Section = asdict(settings).get(part, {})
    return own
