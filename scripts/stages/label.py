"""The work of `m3scale label`: a request, the file that keeps it, and the run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labels.labelling.settings import LabelSettings
from m3_backbone.files import write_json
from m3_backbone.serialization import parse_json

if TYPE_CHECKING:
    from labels.labelling.answerer import Answerer
    from labels.labelling.claims import Share
    from labels.questions import QuestionSet

REQUEST = "request.json"

FIRST = 8
"""Questions that are compared to tell whether a source is still the same."""


@dataclass(frozen=True)
class LabelRequest(LabelSettings):
    """One labelling run in the user's words: what is asked, and the settings of how.

    What a field means is its help. The image folder is kept as text, because JSON knows no paths.
    """

    source: str = field(
        default="",
        metadata={
            "help": "Hub name, saved folder, .parquet or .jsonl file, or scenes:SPLIT of the "
            "benchmark."
        },
    )
    split: str = field(default="test", metadata={"help": "Split of the source."})
    limit: int | None = field(
        default=None,
        metadata={"help": "Rows to take; of scenes, images.", "min": 1},
    )
    columns: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "option": "--column",
            "metavar": "FIELD=NAME",
            "help": "The source's name of a field; A,B for images or choices in several columns. "
            "Repeatable.",
        },
    )
    metric: str = field(
        default="exact", metadata={"help": "Metric of questions that do not name their own."}
    )
    image_folder: str | None = field(
        default=None,
        metadata={
            "help": "Where relative image paths start.",
            "type": click.Path(exists=True, file_okay=False),
        },
    )
    frames: int | None = field(
        default=None,
        metadata={
            "help": "Treat images as videos, animated files or folders of frames, and sample this "
            "many frames from each.",
            "min": 1,
        },
    )

    def load_questions(self) -> "QuestionSet":
        """Load the questions and check their images."""
        from labels.sources.loading import ImageFiles, load_questions

        folder = Path(self.image_folder) if self.image_folder else None
        return load_questions(
            self.source,
            split=self.split,
            limit=self.limit,
            columns=self.columns,
            metric=self.metric,
            files=ImageFiles(folder, self.frames),
        )


def write_request(folder: Path, request: LabelRequest, seconds: float) -> None:
    """Write the request of a finished run beside it.

    Args:
        folder: the run's folder.
        request: what was asked for.
        seconds: time of this session; those of earlier sessions that ended are added.
    """
    spent = seconds + read_seconds(folder)
    write_json(folder / REQUEST, {"request": asdict(request), "seconds": round(spent, 3)})


def read_request(folder: Path) -> LabelRequest | None:
    """Read the request of a run; None if there is none that this version can read."""
    try:
        content = _read(folder)["request"]
        # JSON has lists where the fields are tuples.
        tuples = {name: tuple(content.get(name, ())) for name in ("scales", "extras")}
        return LabelRequest(**{**content, **tuples})
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # none, or another version's; the run itself is still good


def read_seconds(folder: Path) -> float:
    """Read how long labelling took [s], over all sessions that ended; 0 if none did."""
    return float(_read(folder).get("seconds", 0.0))


def is_labelled(folder: Path, request: LabelRequest, model: Mapping[str, str]) -> bool:
    """Tell whether a run of the same request is finished, without loading all questions.

    Only the first questions are compared. That is enough for the built-in benchmark, where a change
    of the generator changes all of them; a user's files may change anywhere.

    Args:
        folder: the run's folder.
        request: what is wanted.
        model: the `checkpoint` and `dtype` that it is wanted of.

    Returns:
        True if there is nothing to do.
    """
    from labels.outcomes.manifest import MANIFEST, read_manifest

    if not (folder / MANIFEST).is_file() or read_request(folder) != request:
        return False
    manifest = read_manifest(folder)
    # The request does not say which model answered; the manifest does.
    same = all(manifest.settings.get(name) == value for name, value in model.items())
    return manifest.finished and same and _starts_alike(folder, request)


def _starts_alike(folder: Path, request: LabelRequest) -> bool:
    from labels.outcomes.table import read_questions

    limit = min(request.limit or FIRST, FIRST)
    start = replace(request, limit=limit).load_questions().questions
    return tuple(read_questions(folder)[: len(start)]) == start


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = parse_json((folder / REQUEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def run_label(
    request: LabelRequest,
    open_answerer: Callable[[], "Answerer"],
    folder: Path,
    progress: bool,
    share: "Share | None" = None,
) -> Path:
    """Answer every question at every scale, or finish a run that was stopped.

    Args:
        request: what to ask and how.
        open_answerer: opens the model; called after the questions were checked.
        folder: the run's folder, new or begun.
        progress: whether to show a bar on stderr.
        share: which parts this process labels; all if None.

    Returns:
        The folder.
    """
    from labels.labelling.claims import ALONE
    from labels.labelling.run import label

    start = time.perf_counter()
    questions = request.load_questions()
    label(questions, open_answerer(), folder, request, progress, share or ALONE)
    # One process writes it, so that the time is not added once for each.
    if share is None or share.rank == 0:
        write_request(folder, request, time.perf_counter() - start)
    return folder
