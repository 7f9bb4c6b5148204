"""The work of `m3scale features`: questions of a source to an imported table, then its images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labels.labelling.sharing import hold
from scripts.stages.label import LabelRequest

if TYPE_CHECKING:
    from labels.labelling.answerer import Answerer
    from labels.questions import QuestionSet

FIELDS = (
    *("source", "split", "limit", "columns", "metric", "rows_in", "answers", "skip_bad"),
    *("image_folder", "frames", "suffix", "choice_suffix", "images_per_batch", "extras"),
)
"""Of a labelling request, what decides the features."""


def run_features(
    folder: Path, request: LabelRequest, open_answerer: "Callable[[], Answerer]", progress: bool
) -> Path:
    """Add features to an imported table, or go on where that was stopped.

    Args:
        folder: the table's folder.
        request: where the questions and images are, and how the model was asked.
        open_answerer: opens the model; called after the questions were checked.
        progress: whether to show a bar on stderr.

    Returns:
        The folder.
    """
    from labels.labelling.features import add_features, read_imported

    read_imported(folder)
    with hold(folder):
        questions = _match(folder, request)
        return add_features(folder, questions, open_answerer(), request, progress)


def _match(folder: Path, request: LabelRequest) -> "QuestionSet":
    from labels.importing.judging import match_questions
    from labels.outcomes.table import read_questions

    told = {question.sample_id: question for question in read_questions(folder)}
    source = request.load_questions()
    found = match_questions(told, source)
    # A group of the log stays where the source has none.
    return source.exchange(
        replace(question, group=question.group or told[sample].group)
        for sample, question in found.items()
    )
