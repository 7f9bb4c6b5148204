"""The work of `m3scale report`: its inputs, what is measured on them, and the page.

Nothing is printed here; heavy imports stand inside the functions, so that help is quick.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labels.scenes.draws import find_draw
from labels.scenes.vocabulary import OUT_OF_DISTRIBUTION, REPHRASED
from m3_backbone.files import recover
from m3_backbone.serialization import json_ready, parse_json, sha256, short_hash
from predictor.report.folder import PAGE, read_results
from scripts.stages.cutting import Cutting, name_cutting, note_cutting
from scripts.stages.gallery import make_gallery
from scripts.stages.label import read_seconds
from scripts.stages.profile import PROFILE_HELP, read_extras, read_note, read_profile
from scripts.stages.provenance import describe_code, describe_command, describe_hardware
from scripts.stages.run_folder import PARTS, SPLITS, RunFolder
from scripts.stages.splits import LabelledSplit, add_geometry
from scripts.terminal.options import WHOLE
from scripts.terminal.output import name_folders

if TYPE_CHECKING:
    from predictor.bundle.bundle import RouterBundle
    from predictor.evaluation.runs import EvaluationSettings
    from predictor.evaluation.trainings import ExperimentSettings, Progress
    from predictor.training.train import TrainSettings


def plan_experiment(seeds: int, studies: bool, kind: str = "boosted") -> "ExperimentSettings":
    """Plan what a report measures.

    Args:
        seeds: trainings of each kind.
        studies: whether to tune and compare every kind of router, and to leave features and
            families out in turn.
        kind: name of the router.
    """
    from predictor.evaluation.trainings import ExperimentSettings
    from predictor.training.train import TrainSettings
    from predictor.training.tuning import TuningSettings

    train = TrainSettings(kind=kind, tuning=TuningSettings() if studies else None)
    return ExperimentSettings(tuple(range(seeds)), train, studies=studies)


def _report_extras(
    bundle: "RouterBundle", splits: dict[str, LabelledSplit], evaluation: "EvaluationSettings"
) -> dict[str, Any]:
    """Give the sections about content and words that the router has not seen."""
    from predictor.evaluation.sections.transfer import rephrase
    from predictor.evaluation.sections.unseen import (
        report_certified,
        report_fallback,
        report_outside,
    )
    from predictor.evaluation.sweeps import route

    budget = evaluation.headline
    test = splits["test"].data
    sections: dict[str, Any] = {"fallback": report_fallback(bundle, test, budget)}
    outside = splits[OUT_OF_DISTRIBUTION].data if OUT_OF_DISTRIBUTION in splits else None
    if outside is not None:
        chosen = route(bundle, outside, budget)
        sections["ood"] = report_outside(outside, chosen, evaluation)
        sections["fallback_ood"] = report_fallback(bundle, outside, budget)
    calibration = splits["calibration"].data
    sections["fallback_certified"] = report_certified(bundle, calibration, test, outside)
    if REPHRASED in splits:
        sections["paraphrase"] = rephrase([bundle], test, splits[REPHRASED].data, budget)
    return sections


def read_report(folder: Path) -> dict[str, Any]:
    """Read what results.json holds; nothing if the report is not whole."""
    if not (folder / PAGE).is_file():
        return {}
    try:
        return read_results(folder)
    except (OSError, ValueError):
        return {}


def _name_draw(source: str) -> str | None:
    """Name the draw of the built-in benchmark that a question set is of; None of other data."""
    draw = find_draw(source.partition(":")[0])
    return None if draw is None else draw.name


def _label_times(folders: dict[str, Path]) -> dict[str, float]:
    named = name_folders(folders.values())
    return {f"label_{name}_s": round(read_seconds(path), 1) for path, name in named.items()}


@dataclass(frozen=True)
class ReportInputs:
    """The folders and files that a report is made from; what a field means is its help."""

    train: Path | None = field(
        default=None,
        metadata={
            "help": "Label folder the router learnt from.",
            "labels": PARTS.outcomes("router-train"),
        },
    )
    calibration: Path | None = field(
        default=None,
        metadata={
            "help": "Label folder it was calibrated on.",
            "labels": PARTS.outcomes("calibration"),
        },
    )
    test: Path | None = field(
        default=None,
        metadata={
            "help": "Label folder to report, images of its own.",
            "labels": PARTS.outcomes("test"),
        },
    )
    outcomes: Path | None = field(
        default=None,
        metadata={"help": "With --split, the label folder that it cuts.", "labels": WHOLE},
    )
    outside: Path | None = field(
        default=None,
        metadata={
            "help": "Label folder with unseen content, reported apart.",
            "part": PARTS.outcomes(OUT_OF_DISTRIBUTION),
            "if_there": True,
        },
    )
    rephrased: Path | None = field(
        default=None,
        metadata={
            "help": "Label folder with questions of the test split, by sample_id, in other words.",
            "part": PARTS.outcomes(REPHRASED),
            "if_there": True,
        },
    )
    profile: Path | None = field(
        default=None,
        metadata={"help": PROFILE_HELP, "part": PARTS.profile, "if_there": True},
    )
    router: Path = field(kw_only=True, metadata={"help": "Saved router.", "part": PARTS.router})
    cutting: Cutting = Cutting()

    @property
    def folders(self) -> dict[str, Path]:
        """The label folders by name, those that are not there left out."""
        every = {
            "all": self.outcomes,
            "train": self.train,
            "calibration": self.calibration,
            "test": self.test,
            OUT_OF_DISTRIBUTION: self.outside,
            REPHRASED: self.rephrased,
        }
        return {name: folder for name, folder in every.items() if folder is not None}

    @property
    def reported(self) -> Path:
        """The label folder that the test split is in."""
        [folder] = [one for one in (self.outcomes, self.test) if one is not None]
        return folder

    def read(self) -> dict[str, LabelledSplit]:
        """Read the label folders.

        Returns:
            Name, as in `folders` if none is cut, to split.
        """
        times = None if self.profile is None else read_profile(self.profile)
        others = [name for name in (OUT_OF_DISTRIBUTION, REPHRASED) if name in self.folders]
        names = ["train", "calibration", "test", *others]
        return dict(zip(names, self.cutting.read([*self.folders.values()], times), strict=True))


def find_inputs(run: RunFolder, cutting: Cutting) -> ReportInputs:
    """Name the parts of a run that its report is made from, but for those that need not be there.

    Args:
        run: the run.
        cutting: whether its splits come out of one folder.

    Returns:
        Its three splits, its router, and what else is labelled or measured.
    """
    splits = ("train", "calibration", "test")
    paths: dict[str, Any] = dict(zip(splits, map(run.outcomes, SPLITS), strict=True))
    if cutting.percent is not None:
        paths = {"outcomes": run.whole}
    for one in fields(ReportInputs):
        # What must be there is named even if it is missing: the reader of it says so best.
        if part := one.metadata.get("part"):
            needed = "if_there" not in one.metadata
            recover(run.root / part)
            paths[one.name] = run.root / part if needed or (run.root / part).exists() else None
    return ReportInputs(**paths, cutting=cutting)


def identify_inputs(
    inputs: ReportInputs, splits: dict[str, LabelledSplit], settings: "ExperimentSettings"
) -> str:
    """Name everything that decides what a report says.

    Args:
        inputs: labels and router.
        splits: the labels, read.
        settings: seeds and budgets.

    Returns:
        First 16 hex digits of a SHA-256.
    """
    # The repr of the settings holds every seed and budget.
    names = [split.data.fingerprint() for split in splits.values()]
    # This file holds the hashes of all others.
    router = sha256((inputs.router / "config.json").read_bytes())
    profile = "" if inputs.profile is None else inputs.profile.read_text("utf-8")
    parts = [*names, splits["train"].checkpoint, router, describe_code(), profile, repr(settings)]
    return short_hash("\n".join(parts))


def read_settings(bundle: "RouterBundle", settings: "TrainSettings") -> "TrainSettings":
    """Take over what a saved router was trained with, as far as a report trains it again.

    Args:
        bundle: the router.
        settings: all other settings.

    Returns:
        Settings with its kind, features, calibration and tuned numbers, not to be tuned again.
    """
    from predictor.features.blocks import FeatureSettings
    from predictor.routers.boosted import BoostedSettings
    from predictor.routers.linear import LinearSettings
    from predictor.routers.mlp import MlpSettings
    from predictor.routers.neighbours import NeighbourSettings

    known = bundle.meta["settings"]
    return replace(
        settings,
        kind=bundle.router.kind,
        calibration=known["calibration"],
        features=FeatureSettings(
            **{**known["features"], "blocks": tuple(known["features"]["blocks"])}
        ),
        boosted=BoostedSettings(**known["boosted"]),
        linear=LinearSettings(**known["linear"]),
        mlp=MlpSettings(**known["mlp"]),
        neighbours=NeighbourSettings(**known["neighbours"]),
        tuning=None,
    )


def _fill_settings(
    settings: "ExperimentSettings", bundle: "RouterBundle", inputs: ReportInputs
) -> "ExperimentSettings":
    """Fill in what a router was made with, and what a profile has timed."""
    from predictor.training.tuning import count_tested

    saved = read_settings(bundle, settings.train)
    # Tuned from the defaults, as the saved one was, and not from what suits that one; what all
    # kinds share is the same.
    fresh = replace(settings.train, calibration=saved.calibration, features=saved.features)
    return replace(
        settings,
        train=saved,
        others=None if fresh.tuning is None else fresh,
        tested=count_tested(bundle.meta.get("candidates", ())),
        extras_ms={} if inputs.profile is None else read_extras(inputs.profile),
    )


def check_router(bundle: "RouterBundle", folder: Path, splits: dict[str, LabelledSplit]) -> None:
    """Refuse a router that was not made of the labels of its report.

    Args:
        bundle: the router.
        folder: where it lies, for the message.
        splits: the labels.

    Raises:
        ValueError: if it belongs to another checkpoint or to other outcomes, or was trained on what
            is to be reported.
    """
    checkpoint = bundle.meta.get("checkpoint")
    if checkpoint != splits["train"].checkpoint:
        raise ValueError(
            f"the router in {folder} belongs to checkpoint {checkpoint}, the labels come from "
            f"{splits['train'].checkpoint}; train a router on these labels"
        )
    note = note_cutting([splits[name] for name in ("train", "calibration", "test")])
    for name in ("train", "calibration"):
        if bundle.meta[name]["fingerprint"] != splits[name].data.fingerprint():
            raise ValueError(
                f"the router in {folder} was made with other outcomes than the {name} split given "
                f"here ({name_cutting(bundle.meta)}, here {name_cutting(note)}), and may have seen "
                "the images of the test split; report it with what it was trained on"
            )
    if bundle.meta.get("split") != note.get("split"):
        raise ValueError(
            f"the router in {folder} was made with {name_cutting(bundle.meta)}, the test split "
            f"given here with {name_cutting(note)}; report it with what it was trained on"
        )


def run_report(
    inputs: ReportInputs,
    folder: Path,
    settings: "ExperimentSettings",
    progress: "Progress",
    device: str = "cpu",
) -> dict[str, Any]:
    """Measure the router of a run on its test split and draw the report.

    Args:
        inputs: labels and router.
        folder: where results.json, the page and the pictures go.
        settings: seeds and budgets; the kind of router is that of the saved one.
        progress: called after every training.
        device: torch device that the labels were made on, for the description of the machine.

    Returns:
        What results.json holds.
    """
    from predictor.bundle.bundle import RouterBundle
    from predictor.evaluation.experiment import run_experiment
    from predictor.evaluation.sections.attainable import judge_router
    from predictor.evaluation.sections.timing import measure_router
    from predictor.report.report import write_report

    bundle = RouterBundle.load(inputs.router)
    splits = inputs.read()
    check_router(bundle, inputs.router, splits)
    # Of the settings as they came: what is filled in follows from the inputs.
    identity = identify_inputs(inputs, splits, settings)
    settings = _fill_settings(settings, bundle, inputs)
    names = ("train", "calibration", "test")
    train, calibration, test = (one.data for one in add_geometry([splits[k] for k in names]))
    # First what is trained anew for every seed, then what only the saved router can show.
    results = run_experiment(train, calibration, test, settings, progress)
    results["headline"].update(measure_router(bundle, test))
    evaluation = settings.evaluate_on(calibration)
    results.update(_report_extras(bundle, splits, evaluation))
    if inputs.profile is not None and "ms" in results["costs"]:
        results["costs"]["ms"]["note"] = read_note(inputs.profile)
    results["ladder"] = judge_router(bundle, test)
    results["gallery"], images = make_gallery(
        splits["test"], inputs.reported, bundle, evaluation.headline
    )
    results["meta"].update(
        note_cutting([splits[name] for name in ("train", "calibration", "test")]),
        checkpoint=splits["test"].checkpoint,
        code_version=describe_code(),
        command=describe_command(),
        draw=_name_draw(splits["test"].source),
        hardware=describe_hardware(device),
        inputs=identity,
        profile=None if inputs.profile is None else parse_json(inputs.profile.read_text("utf-8")),
    )
    results["meta"]["timings"].update(_label_times(inputs.folders))
    # Before it is drawn, so that the page shows what results.json says.
    results = dict(json_ready(results, digits=7))
    write_report(results, folder, images)
    return results
