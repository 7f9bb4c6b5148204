"""The work of `m3scale label`: a request, the file that keeps it, and the run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
from annotated_types import Interval

from labels.labelling.settings import LabelSettings, Workers
from labels.labelling.sharing import ALONE, Share, hold
from m3_backbone.files import check_output, write_atomically, write_json
from m3_backbone.schemas import CLOSED, parse_saved, read_saved
from m3_backbone.serialization import json_ready, sha256, to_json

if TYPE_CHECKING:
    from labels.labelling.answerer import Answerer
    from labels.questions import QuestionSet

REQUEST = "request.json"
ONE = Workers()

BAD_ROWS = "bad_rows.txt"
BAD_ROWS_TITLE = "# Rows that m3scale label could not use"

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
            "help": "File (.jsonl, .json, .csv, .tsv, .parquet), folder, Hub name, or scenes:SPLIT "
            "of the benchmark."
        },
    )
    split: str | None = field(
        default=None,
        metadata={
            "help": "Split of the source; without it test, but of a file all rows, whatever their "
            "split."
        },
    )
    limit: int | None = field(
        default=None,
        metadata={"help": "Rows to take; of scenes, images.", "min": 1},
    )
    columns: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "option": "--column",
            "metavar": "FIELD=NAME",
            "help": "The source's name of a field; A,B for images or choices in several columns, "
            "A|B for the first that is there, {A}.jpg for a file name made of columns. Repeatable.",
        },
    )
    metric: str | None = field(
        default=None,
        metadata={
            "help": "Metric of questions that do not name their own; if none is given choice, "
            "where there are options, else exact."
        },
    )
    rows_in: str | None = field(
        default=None,
        metadata={
            "option": "--field",
            "help": "Where a .json file holds its rows, if it has several lists.",
        },
    )
    answers: str | None = field(
        default=None,
        metadata={
            "help": "Second file with the answers, joined by the column of sample_id.",
            "type": click.Path(exists=True, dir_okay=False),
        },
    )
    skip_bad: bool = field(
        default=False,
        metadata={"help": "Leave out rows that cannot be used, and list them in the run's folder."},
    )
    paraphrases: str | None = field(
        default=None,
        metadata={
            "help": "File with other words for repeats, a JSON object a line: sample_id or "
            "question, and paraphrases, a list. The built-in benchmark has its own.",
            "type": click.Path(exists=True, dir_okay=False),
        },
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

    def load_questions(
        self, list_bad: Callable[[Sequence[str]], Path] | None = None
    ) -> "QuestionSet":
        """Load the questions and check their images; `list_bad` is that of `Reading`."""
        from labels.labelling.paraphrases import add_paraphrases
        from labels.sources.loading import Reading, load_questions

        if self.paraphrases and self.repeats == 1:
            raise ValueError(
                "--paraphrases needs --repeats, at least 2: the first is asked as it is"
            )
        questions = load_questions(
            self.source,
            split=self.split,
            limit=self.limit,
            columns=self.columns,
            metric=self.metric,
            reading=Reading(
                folder=Path(self.image_folder) if self.image_folder else None,
                frames=self.frames,
                field=self.rows_in,
                answers=Path(self.answers) if self.answers else None,
                skip_bad=self.skip_bad,
                list_bad=list_bad,
            ),
        )
        if self.paraphrases:
            return add_paraphrases(questions, Path(self.paraphrases))
        return questions

    def inputs(self) -> list[Path]:
        """List the files and folders that are read, of those that are named by a path."""
        named = (self.source, self.image_folder, self.answers, self.paraphrases)
        paths = (Path(one).expanduser() for one in named if one)
        return [path for path in paths if path.exists()]


@dataclass(frozen=True)
class SavedRequest:
    """The file of a finished run's request.

    Attributes:
        request: what was asked for.
        seconds: see `read_seconds`.
        seal: hash of the run's id and of the two above; older versions wrote none.
    """

    __pydantic_config__ = CLOSED

    request: LabelRequest
    seconds: Annotated[float, Interval(ge=0, le=1e12)] = 0.0
    seal: str | None = None


def write_request(folder: Path, request: LabelRequest) -> None:
    """Write the request of a finished run, and how long it took, beside it.

    Args:
        folder: the run's folder.
        request: what was asked for.
    """
    # As it will be read, so that the seal fits.
    content = json_ready({"request": asdict(request), "seconds": round(read_seconds(folder), 3)})
    write_json(folder / REQUEST, {**content, "seal": _seal(folder, content)})


def read_request(folder: Path) -> LabelRequest | None:
    """Read the request of a run; None if there is none, or another version's, or an edited one."""
    saved = _read(folder)
    return None if saved is None else saved.request


def read_seconds(folder: Path) -> float:
    """Read how long the parts of a run took [s], over all processes that made them.

    Of an older run, whose parts do not note it, that is what its request says; 0 if it has none.
    """
    from labels.labelling.status import read_status
    from labels.outcomes.manifest import MANIFEST

    workers = read_status(folder)["workers"] if (folder / MANIFEST).is_file() else []
    if workers:
        return float(sum(worker["seconds"] for worker in workers))
    saved = _read(folder)
    return 0.0 if saved is None else saved.seconds


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


def _read(folder: Path) -> SavedRequest | None:
    from labels.sources.loading import is_scenes

    # Whatever is wrong with it, the run itself is still good; labelling again writes a new one.
    remedy = "run m3scale label again"
    try:
        content = read_saved(dict[str, Any], folder / REQUEST, remedy)
        seal = content.get("seal")
        if seal is not None and seal != _seal(folder, content):
            return None
        asked = content.get("request")
        if isinstance(asked, dict) and is_scenes(str(asked.get("source"))):
            # Older versions wrote the usual ones, which the benchmark now takes none of.
            asked.update(split=None, metric=None)
        return parse_saved(SavedRequest, content, REQUEST, remedy)
    except (OSError, ValueError):
        return None


def _seal(folder: Path, content: Mapping[str, Any]) -> str:
    """Hash a request together with the id of the run that it belongs to."""
    from labels.outcomes.manifest import MANIFEST, read_manifest

    run = read_manifest(folder).run if (folder / MANIFEST).is_file() else None
    sealed = {"run": run, "request": content.get("request"), "seconds": content.get("seconds")}
    return sha256(to_json(sealed))


def run_label(
    request: LabelRequest,
    open_answerer: Callable[[], "Answerer"],
    folder: Path,
    progress: bool,
    share: Share = ALONE,
    workers: Workers = ONE,
) -> Path:
    """Answer every question at every scale, or finish a run that was stopped.

    Args:
        request: what to ask and how.
        open_answerer: opens the model; called after the questions were checked.
        folder: the run's folder, new or begun.
        progress: whether to show a bar on stderr.
        share: which parts this process labels.
        workers: who labels them; this process if there is one.

    Returns:
        The folder.
    """
    from labels.labelling.actors import label_with_actors
    from labels.labelling.run import label
    from labels.outcomes.parts import check_folder

    if workers.need_ray and find_spec("ray") is None:
        raise ValueError("--workers needs Ray: pip install m3scale[ray], or .[ray] in a clone")
    _check_folder(folder, request.inputs())
    check_folder(folder)  # before the model is opened
    with hold(folder, share):
        questions = request.load_questions(lambda rows: write_bad_rows(folder, rows))
        if workers.need_ray:
            opening = request.load_questions, open_answerer
            label_with_actors(questions, opening, folder, request, workers, progress)
        else:
            label(questions, open_answerer(), folder, request, progress, share)
        if share.rank == 0:
            write_request(folder, request)
            if questions.skipped:
                write_bad_rows(folder, questions.skipped)
            elif _is_list(folder / BAD_ROWS):
                (folder / BAD_ROWS).unlink()  # of an earlier try; the rows are good now
    return folder


def write_bad_rows(folder: Path, rows: Sequence[str]) -> Path:
    """List rows that cannot be used in a run's folder, one a line; give the file."""
    return write_atomically(
        folder / BAD_ROWS, "".join(f"{row}\n" for row in (BAD_ROWS_TITLE, *rows)).encode()
    )


def _check_folder(folder: Path, inputs: Sequence[Path]) -> None:
    """Refuse a folder in which a run would overwrite an input, or what no run wrote."""
    from labels.outcomes.manifest import QUESTIONS_FILE

    check_output(folder, inputs, _own_files)
    for name in (QUESTIONS_FILE, REQUEST, BAD_ROWS):
        check_output(folder / name, inputs)


def _own_files(folder: Path) -> Collection[str]:
    """Name the files of a run; refuse a folder in which another's file has such a name."""
    from labels.outcomes.manifest import MANIFEST, QUESTIONS_FILE

    # The manifest is written before the first two; the list knows itself by its first line.
    has_run = (folder / MANIFEST).exists()
    own = {QUESTIONS_FILE: has_run, REQUEST: has_run, BAD_ROWS: _is_list(folder / BAD_ROWS)}
    for name, is_own in own.items():
        if (folder / name).exists() and not is_own:
            raise ValueError(
                f"{folder} holds a {name} that no run wrote: it would be overwritten; name another "
                "folder"
            )
    return own


def _is_list(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(BAD_ROWS_TITLE.encode())
