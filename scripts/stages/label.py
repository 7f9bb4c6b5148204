"""The work of `m3scale label`: a request, what is kept of it, and the run."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m3_backbone.files import write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from labels.labelling.answerer import Answerer
    from labels.labelling.claims import Share
if TYPE_CHECKING:
    from labels.labelling.run import LabelSettings
    from labels.questions import QuestionSet

REQUEST = "request.json"

FIRST = 8


@dataclass(frozen=True)
class LabelRequest:
    """One labelling run in the user's words.

    Attributes:
        source: what `labels.sources.loading.load_questions` takes.
        split: split of the source.
        limit: rows at most; images for the built-in benchmark.
        columns: our field -> the source's column.
        metric: metric of questions that name none.
        image_folder: where relative image paths start.
        scales: scales to answer at; all of the model's if empty.
        max_new_tokens: longest answer [tokens].
        images_per_batch: images that are encoded at once.
        token_budget: tokens that the language model reads at once.
        first_token: whether a letter, Yes or No that comes first is the whole answer.
        suffix: instruction after an open question.
        choice_suffix: instruction after a multiple-choice question.
        frames: frames to take of each video; None where images are still.
        losses: whether to measure how surprising the right answers are.
        extras: optional features to measure, `pixels` or `state`.
    """

    source: str
    split: str = "test"
    limit: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    metric: str = "exact"
    image_folder: str | None = None
    scales: tuple[int, ...] = ()
    max_new_tokens: int = 16
    images_per_batch: int = 32
    token_budget: int = 16384
    first_token: bool = False
    suffix: str = ""
    choice_suffix: str = ""
    frames: int | None = None
    losses: bool = False
    extras: tuple[str, ...] = ()

    def load_questions(self) -> "QuestionSet":
        """Load what is asked.

        Returns:
            The questions, their images checked.
        """
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

    def settings(self) -> "LabelSettings":
        """Give how it is asked.

        Returns:
            The settings of `labels.labelling.run.label`.
        """
        from labels.labelling.run import LabelSettings

        return LabelSettings(
            scales=self.scales,
            max_new_tokens=self.max_new_tokens,
            images_per_batch=self.images_per_batch,
            token_budget=self.token_budget,
            first_token=self.first_token,
            suffix=self.suffix,
            choice_suffix=self.choice_suffix,
            losses=self.losses,
            extras=self.extras,
        )


def write_request(folder: Path, request: LabelRequest, seconds: float) -> None:
    """Note beside a finished run what it was asked for.

    Args:
        folder: the run's folder.
        request: what was asked for.
        seconds: time this session took; earlier ones that came to an end are added.
    """
    spent = seconds + read_seconds(folder)
    write_json(folder / REQUEST, {"request": asdict(request), "seconds": round(spent, 3)})


def read_request(folder: Path) -> LabelRequest | None:
    """Read what a run was asked for.

    Args:
        folder: the run's folder.

    Returns:
        The request, or None if there is no note that can be read.
    """
    content = _read(folder).get("request")
    try:
        return None if content is None else LabelRequest(**_as_fields(content))
    except (TypeError, ValueError, AttributeError):
        return None  # written by another version; the run itself is still good


def read_seconds(folder: Path) -> float:
    """Read how long labelling took.

    Args:
        folder: the run's folder.

    Returns:
        Seconds over all sessions that came to an end; 0 if none did.
    """
    return float(_read(folder).get("seconds", 0.0))


def is_labelled(folder: Path, request: LabelRequest, model: Mapping[str, str]) -> bool:
    """Tell whether a run is finished and was asked for the same, without loading all questions.

    Only the first questions are compared, which is enough for the built-in benchmark: it is made by
    a generator, and a change of that shows at once. Files of the user may change anywhere.

    Args:
        folder: the run's folder.
        request: what is wanted.
        model: settings of the run that tell the model, `checkpoint` and `dtype`.

    Returns:
        True if there is nothing to do.
    """
    from labels.outcomes.manifest import MANIFEST, read_manifest

    if not (folder / MANIFEST).is_file() or read_request(folder) != request:
        return False
    manifest = read_manifest(folder)
    same = all(manifest.settings.get(name) == value for name, value in model.items())
    return manifest.finished and same and _starts_alike(folder, request)


def _starts_alike(folder: Path, request: LabelRequest) -> bool:
    from labels.outcomes.table import read_questions

    limit = min(request.limit or FIRST, FIRST)
    start = replace(request, limit=limit).load_questions().questions
    return tuple(read_questions(folder)[: len(start)]) == start


def _as_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    extras = tuple(content.get("extras", ()))
    return {**content, "scales": tuple(content["scales"]), "extras": extras}


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def run_label(
    request: LabelRequest,
    open_answerer: "Callable[[], Answerer]",
    folder: Path,
    progress: bool,
    share: "Share | None" = None,
) -> Path:
    """Answer every question at every scale, or finish a run that was stopped.

    Args:
        request: what to ask and how.
        open_answerer: gives the model; called once the questions are known to be good.
        folder: where to, or what to resume.
        progress: whether to show a bar on stderr.
        share: which part of it this process does; all if None.

    Returns:
        The folder.
    """
    from labels.labelling.claims import ALONE
    from labels.labelling.run import label

    start = time.perf_counter()
    questions = request.load_questions()
    label(questions, open_answerer(), folder, request.settings(), progress, share or ALONE)
    if share is None or share.rank == 0:
        write_request(folder, request, time.perf_counter() - start)
    return folder
