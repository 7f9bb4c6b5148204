"""Labelling: every question at every scale, once, into a folder that survives a kill.

The run is cut into parts of whole images in a fixed order; a part that is there is never made
again, so a run that was killed at any moment goes on where it stopped and ends with the same table
(but for the measured times). Several processes may each make a share of the parts. What this is
not: a model; it is handed an `Answerer`.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm.auto import tqdm

from labels.labelling.answerer import Answerer
from labels.labelling.asking import Ask, Asking, EncodedImage, Group, ask_images
from labels.labelling.prefetch import Lookahead
from labels.labelling.repeating import ask_repeatedly
from labels.labelling.settings import LabelSettings
from labels.labelling.sharing import ALONE, Share
from labels.metrics.registry import check_scorable
from labels.outcomes.formats import (
    join_features,
    pack_features,
    pack_outcomes,
    pack_questions,
)
from labels.outcomes.manifest import (
    CODE_VERSION,
    QUESTIONS_FILE,
    Manifest,
    Setting,
    check_same_settings,
    finish_run,
    open_run,
    package_version,
)
from labels.outcomes.parts import (
    FEATURES,
    PARTS,
    TABLE,
    Part,
    Work,
    check_part,
    list_parts,
    missing_parts,
    prepare_folder,
    write_part,
)
from labels.questions import Question, QuestionSet, format_question
from m3_backbone.files import sweep, write_atomically
from m3_backbone.processes import worker_name
from m3_backbone.scales import check_scale
from m3_backbone.serialization import as_text, short_hash

FORMAT = 2
"""Goes up when the files of a run change their meaning, so that folders are never mixed."""

logger = logging.getLogger(__name__)
DEFAULT_SETTINGS = LabelSettings()


def label(
    questions: QuestionSet,
    answerer: Answerer,
    folder: Path,
    settings: LabelSettings = DEFAULT_SETTINGS,
    progress: bool = True,
    share: Share = ALONE,
) -> Path:
    """Ask every question at every scale and write outcomes and features.

    Args:
        questions: what to ask.
        answerer: the model.
        folder: where the run is written, or resumed if part of it is there already.
        settings: how to ask.
        progress: whether to show a progress bar on stderr.
        share: which parts this process makes, if others make the rest.

    Returns:
        `folder`, with `manifest.json`, `questions.parquet` and `parts/`. It is unfinished only if
        parts of other shares are missing.
    """
    for question in questions:
        check_scorable(question)  # before hours of answers that no metric could score
    ask = ask_images if settings.repeats == 1 else ask_repeatedly(questions.wordings)
    return carry_out(Plan(questions, answerer, settings, ask), folder, progress, share)


@dataclass(frozen=True)
class Plan:
    """What a run is made of.

    Attributes:
        questions: what to ask.
        answerer: the model.
        settings: how to ask.
        ask: gives the rows and features of a batch of images; `ask_images` or what stands for it.
        more: further settings that decide what the run writes.
        doing: what the progress bar says.
    """

    questions: QuestionSet
    answerer: Answerer
    settings: LabelSettings
    ask: Ask = ask_images
    more: Mapping[str, Setting] = field(default_factory=dict)
    doing: str = "labelling"

    @property
    def parts(self) -> list[Sequence[Group]]:
        """The questions of each part, grouped by image."""
        return _split(self.questions.by_image(), self.settings.images_per_part)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the run as it begins."""
        wanted = _plan_run(self.questions, self.answerer, self.settings, len(self.parts))
        return replace(wanted, settings={**wanted.settings, **self.more})


def carry_out(plan: Plan, folder: Path, progress: bool, share: Share = ALONE) -> Path:
    """Make the parts of a run that are missing.

    Args:
        plan: the run.
        folder: where it is written, or resumed if part of it is there already.
        progress: whether to show a progress bar on stderr.
        share: which parts this process makes, if others make the rest.

    Returns:
        The folder, as `label` leaves it.
    """
    questions, parts = plan.questions, plan.parts
    wanted = plan.manifest
    prepare_folder(folder)
    # Before any result is written: a run with other settings is refused here.
    manifest = open_run(folder, wanted)
    if manifest.finished and _is_whole(folder, manifest):
        logger.info("nothing to do: %s is finished (%d questions)", folder, len(questions))
        return folder
    # Now the version too, which `open_run` lets differ in a finished run.
    check_same_settings(folder, manifest, wanted)
    write_atomically(folder / QUESTIONS_FILE, pack_questions(questions))
    # Only what is missing is made: that is all there is to resuming.
    missing = _find_missing(folder, manifest, share)
    asking = _plan_asking(questions, plan.answerer, plan.settings, manifest)
    numbers = share.take(missing)
    bar = tqdm(
        total=len(questions),
        initial=len(questions) - sum(_count(parts[index]) for index in missing),
        desc=f"{plan.doing} {questions.name}",
        unit=" questions",
        disable=not progress,
    )
    with bar, Lookahead(asking.make_ready) as ahead:
        for place, index in enumerate(numbers):
            start = time.perf_counter()
            # Those of the part that follows are prepared meanwhile.
            soon = [group for one in numbers[place : place + 2] for group in parts[one]]
            ahead.expect(asking.list_images(soon))
            contents = _make_part(asking, parts[index], plan.ask, bar, ahead)
            work = _note_work(index, parts[index], time.perf_counter() - start)
            write_part(Part(index, index, folder), manifest.run, contents, [work])
    _finish_if_whole(folder, manifest)
    return folder


def _plan_run(
    questions: QuestionSet, answerer: Answerer, settings: LabelSettings, n_parts: int
) -> Manifest:
    chosen: dict[str, Setting] = {
        "format": FORMAT,
        "questions": questions.fingerprint,
        "checkpoint": answerer.fingerprint,
        "dtype": answerer.dtype_name,
        "attention": answerer.attention,
        "pooling": answerer.pooling,
        "prompt": answerer.prompt("{question}"),
        **settings.to_manifest(),
        "scales": list(_pick_scales(answerer, settings)),
        CODE_VERSION: package_version(),
    }
    if settings.repeats > 1:
        chosen["wordings"] = questions.wordings.name
    if questions.skipped:
        # Named only where there are some, so that other runs keep their id.
        chosen["skipped"] = len(questions.skipped)
    images = len(questions.image_ids)
    return Manifest(as_text(questions.name), chosen, len(questions), images, n_parts)


def _plan_asking(
    questions: QuestionSet, answerer: Answerer, settings: LabelSettings, run: Manifest
) -> Asking:
    prompt = [run.settings[name] for name in ("format", "prompt", "suffix", "choice_suffix")]

    def write_text(question: Question) -> str:
        return format_question(question, settings.suffix, settings.choice_suffix)

    return Asking(
        answerer=answerer,
        load_image=questions.image,
        image_parts=questions.image_parts,
        write_text=write_text,
        scales=_pick_scales(answerer, settings),
        settings=settings,
        stamp={
            "dataset": run.source,  # as the run was begun, even if the data has moved since
            "dtype": answerer.dtype_name,
            "attention": answerer.attention,
            "checkpoint": answerer.fingerprint,
            "prompt_id": short_hash(json.dumps(prompt)),
            "code_version": package_version(),
        },
    )


def _pick_scales(answerer: Answerer, settings: LabelSettings) -> tuple[int, ...]:
    if not settings.scales:
        return tuple(answerer.scales)
    return tuple(sorted({check_scale(scale, answerer.scales) for scale in settings.scales}))


def _make_part(
    asking: Asking, part: Sequence[Group], ask: Ask, bar: "tqdm[None]", ahead: Lookahead
) -> dict[str, bytes]:
    """Ask a part's questions batch by batch; give its files by their suffix."""
    size = asking.settings.images_per_batch
    batches = []
    known: dict[str, EncodedImage] = {}
    for place, groups in enumerate(_split(part, size), start=1):
        batches.append(ask(asking, groups, known, ahead.take))
        bar.update(_count(groups))
        # A later question may be about this image and others: keep its tokens, drop the rest.
        rest = part[place * size :]
        needed = {one for group in rest for one in asking.image_parts(group[0].image_id)}
        known = {image_id: image for image_id, image in known.items() if image_id in needed}
    return {
        TABLE: pack_outcomes([row for rows, _ in batches for row in rows]),
        FEATURES: pack_features(join_features([features for _, features in batches])),
    }


def _split(groups: Sequence[Group], size: int) -> list[Sequence[Group]]:
    return [groups[start : start + size] for start in range(0, len(groups), size)]


def _count(groups: Sequence[Group]) -> int:
    return sum(len(group) for group in groups)


def _find_missing(folder: Path, manifest: Manifest, share: Share) -> list[int]:
    """Tell which parts are missing; of those that are there, each process verifies its own."""
    present = list_parts(folder)
    for part in present:
        # Reading all bytes takes long; together the shares still check every part.
        if share.take([part.first]):
            check_part(part, manifest.run)
    return missing_parts(present, manifest.n_parts)


def _note_work(index: int, part: Sequence[Group], seconds: float) -> Work:
    return {
        "worker": worker_name(),
        "part": index,
        "images": len(part),
        "questions": _count(part),
        "seconds": round(seconds, 3),
        "ended": round(time.time(), 3),
    }


def _finish_if_whole(folder: Path, manifest: Manifest) -> None:
    if missing_parts(list_parts(folder), manifest.n_parts):
        return
    # The manifest is the last to be written: a kill before it leaves a run to finish again.
    sweep(folder / PARTS, everything=True)
    finish_run(folder, manifest)


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    missing = missing_parts(list_parts(folder), manifest.n_parts)
    return not missing and (folder / QUESTIONS_FILE).exists()
