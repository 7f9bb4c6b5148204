"""The command `m3scale demo`: label, train and report, on the built-in benchmark or a data set."""

import io
from dataclasses import astuple, dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from labels.scenes.draws import DRAWS, SCENES_V2, Draw, public_name
from labels.scenes.vocabulary import OUT_OF_DISTRIBUTION, REPHRASED
from m3_backbone.files import write_atomically, write_json
from predictor.report.folder import PAGE
from predictor.report.folder import list_own_files as list_report
from scripts.stages.ask import AskSettings, ask_router, print_answers
from scripts.stages.cutting import Cutting, describe_cutting
from scripts.stages.label import LabelRequest, is_labelled, run_label
from scripts.stages.model import Opening, open_backbone
from scripts.stages.profile import is_profiled, read_profile
from scripts.stages.report import (
    find_inputs,
    identify_inputs,
    plan_experiment,
    read_report,
    run_report,
)
from scripts.stages.run_folder import DEFAULT_RUN, SPLITS, RunFolder
from scripts.stages.train import check_kind, is_trained, run_train
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import Whole
from scripts.terminal.options import (
    json_option,
    quiet_option,
    seeds_option,
    settings_options,
    split_option,
    studies_option,
)
from scripts.terminal.output import print_headline, training_bar, wants_progress
from scripts.terminal.outputs import OutputFolder, check_file, check_folder, is_table, write_table

if TYPE_CHECKING:
    from PIL import Image

    from labels.questions import QuestionSet
    from m3_backbone.backbone import M3Backbone


SPLIT = (60.0, 20.0, 20.0)
"""Percent to train on, to calibrate on and to test, of a data set of the user's."""

SOURCE_FIELDS = (
    *("source", "limit", "columns", "metric", "rows_in", "answers", "skip_bad", "image_folder"),
    *("frames", "suffix", "choice_suffix", "scales", "max_new_tokens", "images_per_batch"),
)
"""Of a labelling request, what a data set of the user's may need."""

OPENING_FIELDS = ("model", "device", "dtype", "vision_tower", "template")

EXAMPLE = "example.png"
EXAMPLE_QUESTIONS = 3
PROFILE_IMAGES = 3


@dataclass(frozen=True)
class DemoImages:
    """Images to label of each split, in the order of the splits."""

    train_images: int = field(
        default=800, metadata={"help": "Images that the router learns from.", "min": 5}
    )
    calibration_images: int = field(
        default=400, metadata={"help": "Images that it is calibrated on.", "min": 2}
    )
    test_images: int = field(default=400, metadata={"help": "Images of the report.", "min": 2})
    outside_images: int = field(
        default=60,
        metadata={
            "help": "Images with unseen pictograms, fonts, textures and words; of scenes-v3 with "
            "unseen fonts.",
            "min": 2,
        },
    )
    rephrased_images: int = field(
        default=60,
        metadata={
            "help": "Images of the test split whose questions are asked again in other words.",
            "min": 2,
        },
    )


@click.command(cls=OneLineCommand)
@click.option(
    "--out",
    default=DEFAULT_RUN,
    show_default=True,
    type=OutputFolder(),
    help="Folder of the run.",
)
@settings_options(LabelRequest, "request", SOURCE_FIELDS)
@split_option
@settings_options(DemoImages, "images")
@click.option(
    "--draw",
    type=click.Choice([*DRAWS]),
    default=SCENES_V2.name,
    show_default=True,
    help="Draw of the built-in benchmark.",
)
@click.option(
    "--repeats",
    type=Whole(1),
    default=1,
    show_default=True,
    help="Times that each question of the test split is asked, as in label: what of the outcomes "
    "is luck.",
)
@click.option(
    "--kind",
    callback=check_kind,
    help="Router, as in train.  [default: boosted; auto with --studies]",
)
@seeds_option(3)
@studies_option
@settings_options(Opening, "opening", OPENING_FIELDS)
@json_option
@quiet_option
def main(
    out: Path,
    request: LabelRequest,
    split: tuple[float, ...] | None,
    images: DemoImages,
    draw: str,
    repeats: int,
    kind: str | None,
    seeds: int,
    studies: bool,
    opening: Opening,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Label, train, ask and report on the built-in benchmark, with the embedded model.

    Examples: m3scale demo --out runs/small --train-images 200 --test-images 100

    m3scale demo --source mine.jsonl --model my/llava --out runs/own

    With --source it takes a data set of yours, as label does, and splits it by image: 60/20/20, or
    as --split says. What is done already is not done again, so a demo that was stopped goes on. It
    ends with the report's headline and path.
    """
    own = bool(request.source)
    _check_options(own)
    cutting = Cutting(split or SPLIT) if own else Cutting()
    demo = Demo(RunFolder(out), opening, cutting, wants_progress(quiet), DRAWS[draw])
    demo.check_folders()
    if own:
        demo.label_own(request)
    else:
        names = (*SPLITS, OUT_OF_DISTRIBUTION, REPHRASED)
        demo.label(dict(zip(names, astuple(images), strict=True)), repeats)
    few = LabelRequest(source=f"{public_name(DRAWS[draw])}:test", limit=PROFILE_IMAGES)
    demo.profile(request if own else few)
    # Click cannot say it: this default depends on another option.
    kind = kind or ("auto" if studies else "boosted")
    demo.train(kind, studies)
    if not own:
        demo.ask()
    results = demo.report(kind, seeds, studies)
    if json_file:
        write_table(json_file, results)
    for line in describe_cutting(results["meta"]):
        click.echo(line)
    print_headline(results)
    click.echo(f"{'report':<24}{demo.run.report / PAGE}")


def _check_options(own: bool) -> None:
    """Refuse options of the built-in benchmark beside --source, and those of --source alone."""
    context = click.get_current_context()
    scenes = {*(one.name for one in fields(DemoImages)), "draw", "repeats"}
    other = scenes if own else {*SOURCE_FIELDS, "split"}
    for one in context.command.params:
        given = context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
        if one.name in other and given:
            needs = "is for the built-in benchmark, not for --source" if own else "needs --source"
            raise click.UsageError(f"{one.opts[0]} {needs}")


class Demo:
    """The stages of a demo, each skipped where its result is there.

    Attributes:
        run: folder of the run.
        opening: the checkpoint, and how to open it.
        cutting: how its splits come about.
        progress: whether to show bars.
        draw: the draw of the built-in benchmark.
    """

    def __init__(
        self, run: RunFolder, opening: Opening, cutting: Cutting, progress: bool, draw: Draw
    ) -> None:
        self.run = run
        self.opening = opening
        self.cutting = cutting
        self.progress = progress
        self.draw = draw

    @cached_property
    def backbone(self) -> "M3Backbone":
        """The model, opened when a split has to be labelled."""
        return open_backbone(self.opening)

    @cached_property
    def checkpoint(self) -> str:
        """The fingerprint of the model, which need not be opened for that."""
        from m3_backbone.checkpoints.fingerprint import fingerprint_folder
        from m3_backbone.checkpoints.loading import find_folder

        return fingerprint_folder(find_folder(self.opening.model))

    def check_folders(self) -> None:
        """Refuse a folder in which something else lies where a stage will write."""
        from labels.outcomes.parts import check_folder as check_labels
        from predictor.bundle.folder import list_own_files as list_router

        for split in (*SPLITS, OUT_OF_DISTRIBUTION, REPHRASED):
            check_labels(self.run.outcomes(split))
        check_labels(self.run.whole)
        check_folder(self.run.router, list_router)
        check_folder(self.run.report, list_report)
        check_file(self.run.profile, is_table)
        check_file(self.run.root / EXAMPLE, partial(_is_example, self.draw))

    def label(self, images: dict[str, int], repeats: int) -> None:
        """Label the splits of the built-in benchmark, by split as many images as it says.

        The questions of the test split are asked `repeats` times.
        """
        wanted = {"checkpoint": self.checkpoint, "dtype": self.opening.dtype}
        scenes = public_name(self.draw)
        for split, count in images.items():
            if split == REPHRASED and self.draw.wide:
                continue  # it has no other words for its test split
            # Not a split of its own: the test images, asked in other words.
            sources = {REPHRASED: f"test:{REPHRASED}", OUT_OF_DISTRIBUTION: self.draw.unseen}
            source = sources.get(split, split)
            times = repeats if split == SPLITS[-1] else 1
            request = LabelRequest(source=f"{scenes}:{source}", limit=count, repeats=times)
            folder = self.run.outcomes(split)
            what = f"{split}, {count} images at every scale"
            if is_labelled(folder, request, wanted):
                _announce("label", what, done=True)
            else:
                run_label(request, partial(self._begin_labels, what), folder, self.progress)

    def label_own(self, request: LabelRequest) -> None:
        """Label a data set of the user's, before it is split."""
        begin = partial(self._begin_labels, f"{request.source}, every question at every scale")
        # Not skipped: files may have changed. What is labelled already is not asked again.
        run_label(request, begin, self.run.whole, self.progress)

    def _begin_labels(self, what: str) -> "M3Backbone":
        """Open the model, then announce the labels, so that what is refused says one line alone."""
        backbone = self.backbone
        _announce("label", what, done=False)
        return backbone

    def profile(self, request: LabelRequest) -> None:
        """Measure how long each scale of this checkpoint takes on this machine, on a few images."""
        from scripts.stages.profile import measure_profile

        known = {"checkpoint": self.checkpoint, "dtype": self.opening.dtype}
        done = is_profiled(self.run.profile, **known)
        _announce("profile", "each scale, one question at a time", done)
        if not done:
            questions = request.load_questions()
            single = [one for one in questions.image_ids if len(questions.image_parts(one)) == 1]
            if not single:
                return  # times are of one image
            questions = questions.about(single[:PROFILE_IMAGES])
            longest = request.max_new_tokens
            times = measure_profile(self.backbone, questions, repeats=3, max_new_tokens=longest)
            write_json(self.run.profile, {**known, "batch": 1, **times})

    def train(self, kind: str, tune: bool) -> None:
        """Train a router of a kind."""
        from predictor.evaluation.sections.certificates import feasible_claims
        from predictor.training.train import TrainSettings
        from predictor.training.tuning import AUTO, CANDIDATES, TuningSettings, count_tested

        # Where the report tunes what it compares with, the router is tuned too.
        settings = TrainSettings(kind=kind, tuning=TuningSettings() if tune else None)
        one_folder = self.cutting.percent is not None
        folders = [self.run.whole] if one_folder else [*map(self.run.outcomes, SPLITS[:2])]
        times = read_profile(self.run.profile) if self.run.profile.exists() else None
        train, calibration = self.cutting.read(folders, times)[:2]
        done = is_trained(self.run.router, train, calibration, settings)
        _announce("train", f"{kind} router on {len(train.data)} questions", done)
        if not done:
            tested = count_tested(CANDIDATES if kind == AUTO else ())
            claims = feasible_claims(train.data, calibration.data, tested)
            run_train(train, calibration, self.run.router, replace(settings, certify=claims))

    def ask(self) -> None:
        """Ask about the first image of the test split, which is saved for more questions."""
        from predictor.adaptive import AdaptiveM3
        from predictor.bundle.bundle import RouterBundle

        questions, picture = _load_example(self.draw)
        image = self.run.root / EXAMPLE
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        write_atomically(image, buffer.getvalue())
        texts = [q.question for q in questions if not q.choices][:EXAMPLE_QUESTIONS]
        _announce("ask", f"questions about {image}", done=False)
        adaptive = AdaptiveM3(self.backbone, RouterBundle.load(self.run.router))
        rows = ask_router(adaptive, [picture], texts, AskSettings())
        print_answers(rows, self.opening.model)

    def report(self, kind: str, seeds: int, studies: bool) -> dict[str, Any]:
        """Measure the router, draw the report, and give what results.json holds."""
        inputs = find_inputs(self.run, self.cutting)
        settings = plan_experiment(seeds, studies, kind)
        splits = inputs.read()
        results = read_report(self.run.report)
        wanted = identify_inputs(inputs, splits, settings)
        done = results.get("meta", {}).get("inputs") == wanted
        _announce("report", f"{len(splits['test'].data)} test questions, {seeds} seeds", done)
        if done:
            return results
        with training_bar(self.progress) as progress:
            return run_report(inputs, self.run.report, settings, progress, self.opening.device)


def _load_example(draw: Draw) -> "tuple[QuestionSet, Image.Image]":
    questions = LabelRequest(source=f"{public_name(draw)}:test", limit=1).load_questions()
    return questions, questions.image(questions.image_ids[0])


def _is_example(draw: Draw, path: Path) -> bool:
    from m3_backbone.images import load_image

    # By its pixels: another release of Pillow may write other bytes.
    return load_image(path).tobytes() == _load_example(draw)[1].tobytes()


def _announce(stage: str, what: str, done: bool) -> None:
    # On stderr, like the bars: stdout has the answers and the figures only.
    click.echo(f"{stage:<8}{what}{' (done already)' if done else ''}", err=True)
