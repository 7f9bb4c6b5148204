"""Measures how many answers of a model are right, by family of questions and by scale.

Run it by itself: `python -m scripts.benchmarks.ladder --source scenes-v3:validation`. It is what is
watched while m3-mini is trained; no router, and nothing is stored but the figures.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.benchmarks.settings import write_measures
from scripts.stages.model import Opening, open_backbone
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    from labels.questions import Question, QuestionSet
    from m3_backbone.backbone import M3Backbone

IMAGES_AT_ONCE = 16
ALL = "all"

Ladder = dict[str, dict[str, float]]
"""Family -> number of questions, and scale -> share that is answered rightly."""


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
@click.option("--images", default=60, show_default=True, type=click.IntRange(1))
@click.option("--scale", "scales", multiple=True, type=int, help="Only this scale; repeatable.")
@json_option
def main(
    opening: Opening,
    sources: tuple[str, ...],
    images: int,
    scales: tuple[int, ...],
    json_file: Path | None,
) -> None:
    """Measure accuracy by family and scale.

    Example: python -m scripts.benchmarks.ladder --source scenes-v3:fonts --scale 576
    """
    from labels.sources.loading import load_questions
    from m3_backbone.scales import check_scale

    asked = [load_questions(source, limit=images) for source in sources]
    model = open_backbone(opening)
    chosen = tuple(check_scale(scale, model.scales) for scale in scales) or model.scales
    measured = {}
    for source, questions in zip(sources, asked, strict=True):
        measured[source] = measure_ladder(model, questions, chosen)
        click.echo(source)
        print_rows([{"family": name, **row} for name, row in measured[source].items()])
    write_measures(json_file, "ladder", measured)


def measure_ladder(model: "M3Backbone", questions: "QuestionSet", scales: Sequence[int]) -> Ladder:
    """Ask every question at every scale.

    Args:
        model: the model.
        questions: what to ask.
        scales: visual tokens.

    Returns:
        The figures of all questions first, then those of each family.
    """
    scored: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    groups = questions.by_image()
    for start in range(0, len(groups), IMAGES_AT_ONCE):
        for one, scale, score in score_groups(
            model, questions, groups[start : start + IMAGES_AT_ONCE], scales
        ):
            for family in (ALL, one.group):
                scored[family][scale].append(score)
    return {
        family: {
            "questions": len(of[scales[0]]),
            **{str(scale): round(sum(of[scale]) / len(of[scale]), 4) for scale in scales},
        }
        for family, of in sorted(scored.items(), key=lambda pair: (pair[0] != ALL, pair[0]))
    }


def score_groups(
    model: "M3Backbone",
    questions: "QuestionSet",
    groups: Sequence[Sequence["Question"]],
    scales: Sequence[int],
) -> list[tuple["Question", int, float]]:
    """Ask the questions of some images: each question with a scale and its score there."""
    from labels.metrics.registry import score_answer
    from labels.questions import format_question

    pyramids = model.encode([questions.image(group[0].image_id) for group in groups])
    texts = [[format_question(one) for one in group] for group in groups]
    return [
        (one, scale, score_answer(answer.text, one).score)
        for scale in scales
        for group, answers in zip(groups, model.answer_images(pyramids, texts, scale), strict=True)
        for one, answer in zip(group, answers, strict=True)
    ]


if __name__ == "__main__":
    main()
