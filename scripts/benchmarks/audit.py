"""`python -m scripts.benchmarks.audit`: how often the audit is right where the truth is known.

Tables on which no router can gain anything, tables on which a router gains 3 points or more, and
parts of labelled folders. A run that was stopped goes on where it was, if it has a JSON file.
"""

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m3_backbone.files import write_json
from scripts.benchmarks.settings import is_measured, with_meta, write_measures
from scripts.stages.provenance import describe_code
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    import numpy as np

    from predictor.data import FloatArray, IntArray, TrainData

Row = dict[str, Any]

SCALES = (1, 9, 36, 144, 576)

SHAPES = {
    "steep": (0.40, 0.50, 0.57, 0.62, 0.65),
    "steeper": (0.30, 0.42, 0.50, 0.57, 0.60),
    "MMBench": (0.595, 0.631, 0.648, 0.664, 0.659),
    "GQA": (0.526, 0.58, 0.603, 0.613, 0.619),
    "flat": (0.65, 0.65, 0.65, 0.65, 0.65),
}
"""Accuracies of the fixed scales; the benchmarks' are roughly those of M3."""

GAIN = 0.05
"""What knowing the chances gains over mixing fixed scales; of 4,000 questions a router learns to
gain 3 points or more of it."""

WIDTH = 8
"""Width of the tokens of made-up features."""


@click.command(cls=OneLineCommand, context_settings={"show_default": True})
@click.option("--tables", default=40, type=click.IntRange(1), help="Tables of each kind.")
@click.option("--questions", default=4000, type=click.IntRange(200), help="Questions of each.")
@click.option("--kind", default="linear", help="Router that the audit trains.")
@click.option(
    "--outcomes",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Label folder with features; the tables are random halves of its images.",
)
@json_option
def main(
    tables: int, questions: int, kind: str, outcomes: tuple[Path, ...], json_file: Path | None
) -> None:
    """Count the audit's verdicts on tables of known kinds.

    Example: python -m scripts.benchmarks.audit --tables 2 --questions 1000
    """
    jobs: list[Callable[[], Row]] = [
        *(partial(count_independent, name, tables, questions) for name in SHAPES),
        *(partial(count_features, name, 0.0, tables, questions, kind) for name in SHAPES),
        *(partial(count_features, name, GAIN, tables, questions, kind) for name in SHAPES),
        *(partial(count_halves, folder, tables, kind) for folder in outcomes),
    ]
    settings = {"tables": tables, "questions": questions, "kind": kind, "code": describe_code()}
    measures = _take_up(json_file, settings)
    rows = measures["verdicts"]
    for number, count in enumerate(jobs[len(rows) :], len(rows) + 1):
        rows.append(count())
        if json_file:
            write_json(json_file, with_meta("audit", measures))
        click.echo(f"{number} of {len(jobs)}", err=True)
    print_rows(rows)
    write_measures(json_file, "audit", {**measures, "whole": True})


def _take_up(json_file: Path | None, settings: Row) -> Row:
    """Give the rows that this command has counted before it was stopped, or none."""
    if json_file and is_measured(json_file, "audit", settings):
        return dict(json.loads(json_file.read_bytes()))
    return {**settings, "whole": False, "verdicts": []}


def count_independent(name: str, tables: int, questions: int) -> Row:
    """Count verdicts on the outcomes alone, where all questions have the same chances."""
    import numpy as np

    from predictor.routing_metrics.headroom import measure_headroom

    verdicts = []
    for seed in range(tables):
        random = np.random.default_rng(seed)
        scores = (random.random((questions, len(SCALES))) < SHAPES[name]).astype(float)
        found = measure_headroom(scores, np.array(SCALES, float), np.arange(questions))
        verdicts.append(found["verdict"])
    return _count(f"{name}, independent, no features", verdicts)


def count_features(name: str, gain: float, tables: int, questions: int, kind: str) -> Row:
    """Count verdicts where who knows the features gains something, or nothing."""
    import numpy as np

    from predictor.routing_metrics.gap import hull_at

    slope = find_slope(name, gain) if gain else 0.0
    costs = np.array(SCALES, float)
    verdicts, real = [], []
    for seed in range(tables):
        random = np.random.default_rng(seed)
        known = random.choice((-1.0, 1.0), questions)
        chances = make_chances(name, slope, known)
        # One die a question where routing pays, since most of what features do not tell is the same
        # at all scales; one a scale where it does not, which is what looks like a gain.
        right = random.random((questions, 1 if gain else len(SCALES))) < chances
        verdict, chosen = _judge(_make_data(known, right.astype(float), random), kind)
        hull = hull_at(costs, chances.mean(axis=0), costs[chosen].mean()[None])[0]
        verdicts.append(verdict)
        real.append(chances[np.arange(questions), chosen].mean() - hull)
    counted = _count(f"{name}, features {'of use' if gain else 'of no use'}", verdicts)
    return {**counted, "real gain": float(np.mean(real))}


def count_halves(folder: Path, tables: int, kind: str) -> Row:
    """Count verdicts on random halves of the images of a label folder."""
    import numpy as np

    from scripts.stages.splits import read_splits

    [split] = read_splits([folder])
    images = np.unique(split.data.clusters)
    verdicts = []
    for seed in range(tables):
        half = np.random.default_rng(seed).permutation(images)[: len(images) // 2]
        rows = np.flatnonzero(np.isin(split.data.clusters, half))
        verdicts.append(_judge(split.data.take(rows), kind)[0])
    return _count(f"halves of {folder}", verdicts)


def make_chances(name: str, slope: float, known: "FloatArray") -> "FloatArray":
    """Give the chance of being right [n, s] of questions of two kinds, 1 and -1 [n].

    The first do better at small scales, the second at large ones.
    """
    import numpy as np

    tilt = np.linspace(1, -1, len(SCALES))
    return np.clip(np.array(SHAPES[name]) + slope * known[:, None] * tilt, 0.02, 0.98)


def find_slope(name: str, gain: float) -> float:
    """Find how much chances must depend on the kind of question for it to be worth a gain."""
    import numpy as np
    from scipy.optimize import brentq

    from predictor.routing_metrics.gap import hull_at, oracle_at

    known = np.array([-1.0, 1.0])
    costs = np.array(SCALES, float)
    at = np.geomspace(costs[0], costs[-1], 60)

    def excess(slope: float) -> float:
        chances = make_chances(name, slope, known)
        most = oracle_at(chances, costs, at) - hull_at(costs, chances.mean(axis=0), at)
        return float(most.max()) - gain

    return float(brentq(excess, 0.0, 1.0))


def _judge(data: "TrainData", kind: str) -> "tuple[str, IntArray]":
    """Give the verdict by what a router trained on a table's features gains, and its choices."""
    from predictor.routing_metrics.headroom import measure_headroom
    from predictor.training.cross_routing import choose_for_gain, cross_predict
    from predictor.training.train import TrainSettings

    predicted = cross_predict(data, TrainSettings(kind=kind))
    chosen = choose_for_gain(predicted, data.tokens)
    found = measure_headroom(data.scores, data.tokens, data.clusters, chosen)
    return str(found["verdict"]), chosen


def _make_data(known: "FloatArray", scores: "FloatArray", random: "np.random.Generator") -> Any:
    """Make a table whose question embeddings show the kind of question under a little noise."""
    import numpy as np

    from predictor.data import TrainData

    count = len(known)
    question = 0.1 * random.normal(size=(count, WIDTH))
    question[:, 0] += known
    names = np.arange(count).astype(str)
    return TrainData(
        sample_ids=names,
        image_ids=names,
        groups=np.full(count, "made up"),
        coarse=random.normal(size=(count, 10, WIDTH)).astype(np.float32),
        question=question.astype(np.float32),
        scores=scores,
        tokens=np.tile(np.array(SCALES, float), (count, 1)),
        scales=SCALES,
    )


def _count(name: str, verdicts: list[str]) -> Row:
    counts = Counter(verdicts)
    others = ", ".join(f"{one} {n}" for one, n in counts.most_common() if one != "worth")
    return {
        "tables": name,
        "real gain": None,
        "worth": counts["worth"],
        "perhaps": counts["possible"],
        "of": len(verdicts),
        "others": others,
    }


if __name__ == "__main__":
    main()
