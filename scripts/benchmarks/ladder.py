"""Measures how many answers of a model are right, by family of questions and by scale.

Run it by itself: `python -m scripts.benchmarks.ladder --source scenes-v3:validation`. It is what is
watched while m3-mini is trained, and what its card is written from. No router is asked, and nothing
is stored but the figures.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.benchmarks.settings import is_measured, write_measures
from scripts.stages.model import Opening, open_backbone
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    from labels.questions import Question, QuestionSet
    from m3_backbone.backbone import M3Backbone
    from predictor.data import FloatArray, NameArray

IMAGES_AT_ONCE = 16
DIGITS = 6
"""Of a share: so many that a table which rounds again rounds rightly."""

ALL = "all"
NONE = "none"
"""Stands for the scale of questions that no scale answers."""

Ladder = dict[str, dict[str, float]]
"""Family -> number of questions, and scale -> share that is answered rightly."""

Intervals = dict[str, dict[str, tuple[float, float]]]
"""Family -> scale -> 95 % interval of that share, by a bootstrap over images."""


@dataclass(frozen=True)
class Scored:
    """What every scale achieved on every question of a source.

    Attributes:
        scales: visual tokens, ascending.
        families: family of each question [n].
        images: its image [n].
        scores: its score at each scale [n, s].
    """

    scales: tuple[int, ...]
    families: "NameArray"
    images: "NameArray"
    scores: "FloatArray"


@click.command(cls=OneLineCommand)
@settings_options(Opening, "opening")
@click.option(
    "--source",
    "sources",
    multiple=True,
    default=("scenes-v3:validation",),
    show_default=True,
    help="Questions to ask, as in label; repeatable.",
)
@click.option(
    "--images",
    default=60,
    show_default=True,
    type=click.IntRange(1),
    help="Images of a draw of scenes; of any other source rows, each a question.",
)
@click.option("--scale", "scales", multiple=True, type=int, help="Only this scale; repeatable.")
@json_option
def main(
    opening: Opening,
    sources: tuple[str, ...],
    images: int,
    scales: tuple[int, ...],
    json_file: Path | None,
) -> None:
    """Measure accuracy by family and scale, and for how many questions each scale is the least.

    A JSON file that this command wrote for these weights is left as it is: a test split is opened
    once.

    Example: python -m scripts.benchmarks.ladder --source scenes-v3:fonts --scale 576
    """
    from labels.sources.loading import load_questions
    from m3_backbone.scales import check_scale

    model_told = describe_model(opening)
    if json_file is not None and is_measured(json_file, "ladder", {"model": model_told}):
        click.echo(f"{json_file} has what this command measures: to measure again, remove it")
        return
    asked = {source: load_questions(source, limit=images) for source in sources}
    model = open_backbone(opening)
    chosen = {check_scale(scale, model.scales) for scale in scales} or set(model.scales)
    ladders: dict[str, Ladder] = {}
    least: dict[str, dict[str, float]] = {}
    intervals: dict[str, Intervals] = {}
    for source, questions in asked.items():
        scored = score_questions(model, questions, sorted(chosen))
        ladders[source] = measure_ladder(scored)
        least[source] = measure_least(scored)
        intervals[source] = measure_intervals(scored)
        click.echo(source)
        print_rows([{"family": name, **row} for name, row in ladders[source].items()])
        print_rows([{"least sufficient": "share", **least[source]}])
    if json_file is not None:
        told = {"least": least, "intervals": intervals, "model": model_told}
        write_measures(json_file, "ladder", {**ladders, **told}, opening.device)


def describe_model(opening: Opening) -> dict[str, str]:
    """Say which weights were asked, and how their tokens became fewer."""
    from m3_backbone.checkpoints.fingerprint import fingerprint_folder
    from m3_backbone.checkpoints.loading import find_folder

    return {"weights": fingerprint_folder(find_folder(opening.model)), "pooling": opening.pooling}


def measure_ladder(scored: Scored) -> Ladder:
    """Give the figures of all questions first, then those of each family."""
    return {
        family: {
            "questions": int(rows.sum()),
            **_by_scale(scored, scored.scores[rows].mean(axis=0)),
        }
        for family, rows in _split_families(scored).items()
    }


def measure_least(scored: Scored) -> dict[str, float]:
    """Give the share of questions that a scale answers and no smaller one, and of the others."""
    import numpy as np

    from labels.oracle import minimal_correct

    least = minimal_correct(scored.scores, wrong="drop")
    # Those without a scale are numbered -1: they come first.
    none, *shares = np.bincount(least + 1, minlength=len(scored.scales) + 1) / len(least)
    return {**_by_scale(scored, shares), NONE: round(float(none), DIGITS)}


def measure_intervals(scored: Scored) -> Intervals:
    """Give the interval of each of the ladder's shares."""
    from predictor.routing_metrics.bootstrap import draw_resamples, interval, mean_draws

    found: Intervals = {}
    for family, rows in _split_families(scored).items():
        drawn = mean_draws(draw_resamples(scored.images[rows]), scored.scores[rows])  # [r, s]
        ends = [interval(drawn[:, place]) for place in range(len(scored.scales))]
        found[family] = {
            str(scale): (round(low, DIGITS), round(high, DIGITS))
            for scale, (low, high) in zip(scored.scales, ends, strict=True)
        }
    return found


def score_questions(model: "M3Backbone", questions: "QuestionSet", scales: Sequence[int]) -> Scored:
    """Ask every question at every scale.

    Args:
        model: the model.
        questions: what to ask; of those without answers right is what the largest scale says.
        scales: visual tokens, ascending.

    Returns:
        The scores.

    Raises:
        ValueError: if the largest scale says what is right, and is not asked.
    """
    import numpy as np

    from labels.questions import REFERENCE

    if max(model.scales) not in scales and any(one.metric == REFERENCE for one in questions):
        raise ValueError(
            f"{questions.name} has no answers: right is what scale {max(model.scales)} says, which "
            "--scale leaves out"
        )
    groups = questions.by_image()
    asked = [one for group in groups for one in group]
    scores = [
        row
        for start in range(0, len(groups), IMAGES_AT_ONCE)
        for row in score_groups(model, questions, groups[start : start + IMAGES_AT_ONCE], scales)
    ]
    families = np.array([one.group for one in asked])
    images = np.array([one.image_id for one in asked])
    return Scored(tuple(scales), families, images, np.array(scores, np.float64))


def score_groups(
    model: "M3Backbone",
    questions: "QuestionSet",
    groups: Sequence[Sequence["Question"]],
    scales: Sequence[int],
) -> list[list[float]]:
    """Ask the questions of some images: for each question its score at every scale."""
    from labels.metrics.registry import score_answer, settle_reference
    from labels.questions import format_question

    pyramids = model.encode([questions.image(group[0].image_id) for group in groups])
    texts = [[format_question(one) for one in group] for group in groups]
    answered = [model.answer_images(pyramids, texts, scale) for scale in scales]
    rows = []
    for image, group in enumerate(groups):
        for place, one in enumerate(group):
            said = [of_scale[image][place].text for of_scale in answered]
            settled = settle_reference(one, said[-1])
            rows.append([score_answer(text, settled).score for text in said])
    return rows


def _split_families(scored: Scored) -> dict[str, "NameArray"]:
    """Give which questions are of each family [n]; all of them come first."""
    import numpy as np

    every = np.ones(len(scored.families), bool)
    return {ALL: every, **{str(f): scored.families == f for f in np.unique(scored.families)}}


def _by_scale(scored: Scored, shares: Iterable[float]) -> dict[str, float]:
    return {
        str(scale): round(float(share), DIGITS)
        for scale, share in zip(scored.scales, shares, strict=True)
    }


if __name__ == "__main__":
    main()
