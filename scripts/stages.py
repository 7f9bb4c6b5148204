"""What the commands do, as functions with plain arguments; `demo` is these in a row.

No options and no printing here; heavy imports stand inside the functions, so that help is quick.
"""

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.layout import OUTSIDE, SPLITS, RunFolder
from scripts.output import clean_numbers
from scripts.pictures import make_gallery
from scripts.provenance import describe_code, describe_command, describe_hardware
from scripts.request import LabelRequest, read_seconds, write_request
from scripts.tables import LabelledSplit, read_splits
from scripts.unseen import report_fallback, report_outside

if TYPE_CHECKING:
    from collections.abc import Callable

    from labels.answerer import Answerer
    from labels.shards import Share
    from predictor.experiment import ExperimentSettings, Progress
    from predictor.store import RouterBundle
    from predictor.train import TrainSettings

RESULTS = "results.json"
PAGE = "index.html"


@dataclass(frozen=True)
class ReportInputs:
    """The folders that a report is made from.

    Attributes:
        train: label folder that the router learns from.
        calibration: label folder for calibration and lambda.
        test: label folder that is reported.
        router: saved router, trained on the first two.
        outside: label folder with unseen content, if there is one.
    """

    train: Path
    calibration: Path
    test: Path
    router: Path
    outside: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The label folders, the one with unseen content last."""
        outside = () if self.outside is None else (self.outside,)
        return (self.train, self.calibration, self.test, *outside)


def find_inputs(run: RunFolder) -> ReportInputs:
    """Name the folders of a run that its report is made from.

    Args:
        run: the run.

    Returns:
        Its three splits, its router, and its split with unseen content if that is labelled.
    """
    train, calibration, test = (run.outcomes(split) for split in SPLITS)
    outside = run.outcomes(OUTSIDE)
    return ReportInputs(train, calibration, test, run.router, outside if outside.is_dir() else None)


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
    from labels.generate import label
    from labels.shards import ALONE

    start = time.perf_counter()
    questions = request.load_questions()
    label(questions, open_answerer(), folder, request.settings(), progress, share or ALONE)
    if share is None or share.rank == 0:
        write_request(folder, request, time.perf_counter() - start)
    return folder


def run_train(
    train: LabelledSplit,
    calibration: LabelledSplit | None,
    folder: Path,
    settings: "TrainSettings",
) -> "RouterBundle":
    """Train a router and save it.

    Args:
        train: what it learns from.
        calibration: what it is calibrated on; a share of `train` is held back if None.
        folder: where it is saved.
        settings: what to train.

    Returns:
        The router.
    """
    from predictor.train import train_bundle

    bundle = train_bundle(
        train.data,
        calibration.data if calibration else None,
        settings,
        {"checkpoint": train.checkpoint, "code_version": describe_code()},
    )
    bundle.save(folder)
    return bundle


def is_trained(
    folder: Path, train: LabelledSplit, calibration: LabelledSplit, kind: str, seed: int
) -> bool:
    """Tell whether a saved router is the one that `run_train` would make.

    Args:
        folder: where it would be saved.
        train: what it would learn from.
        calibration: what it would be calibrated on.
        kind: name of the router.
        seed: seed of everything random.

    Returns:
        True if there is nothing to do.
    """
    from predictor.store import RouterBundle

    if not folder.exists():
        return False
    bundle = RouterBundle.load(folder)
    facts, settings = bundle.meta, bundle.meta["settings"]
    return (
        facts["train"]["fingerprint"] == train.data.fingerprint()
        and facts["calibration"]["fingerprint"] == calibration.data.fingerprint()
        and facts["checkpoint"] == train.checkpoint
        and facts.get("code_version") == describe_code()
        and (settings["kind"], settings["seed"]) == (kind, seed)
    )


def run_report(
    inputs: ReportInputs,
    folder: Path,
    settings: "ExperimentSettings",
    progress: "Progress",
    device: str = "cpu",
) -> dict[str, Any]:
    """Judge the router of a run on its test split and draw the report.

    Args:
        inputs: labels and router.
        folder: where results.json, the page and the pictures go.
        settings: seeds and budgets; the kind of router is that of the saved one.
        progress: called after every training.
        device: torch device that the labels were made on, for the description of the machine.

    Returns:
        What results.json holds.
    """
    from predictor.experiment import measure_router, run_experiment
    from predictor.ladder import audit_ladder
    from predictor.report import write_report
    from predictor.store import RouterBundle

    bundle = RouterBundle.load(inputs.router)
    splits = read_splits(inputs.folders)
    _check_router(bundle, inputs.router, splits)
    settings = replace(settings, train=replace(settings.train, kind=bundle.router.kind))
    train, calibration, test = (split.data for split in splits[:3])
    results = run_experiment(train, calibration, test, settings, progress)
    results["headline"].update(measure_router(bundle, test))
    budget = settings.evaluation.headline
    if inputs.outside is not None:
        results["ood"] = report_outside(bundle, splits[3].data, settings.evaluation)
        results["fallback_ood"] = report_fallback(bundle, splits[3].data, budget)
    results["fallback"] = report_fallback(bundle, test, budget)
    results["ladder"] = audit_ladder(test.scores, test.tokens, test.image_ids)
    results["gallery"], images = make_gallery(splits[2], inputs.test, bundle, budget)
    results["meta"].update(
        checkpoint=splits[2].checkpoint,
        code_version=describe_code(),
        command=describe_command(),
        hardware=describe_hardware(device),
        inputs=identify_inputs(inputs, splits, settings),
    )
    results["meta"]["timings"].update(_label_times(inputs.folders))
    results = dict(clean_numbers(results))
    write_report(results, folder, images)
    return results


def identify_inputs(
    inputs: ReportInputs, splits: list[LabelledSplit], settings: "ExperimentSettings"
) -> str:
    """Name everything that decides what a report says.

    Args:
        inputs: labels and router.
        splits: the labels, read.
        settings: seeds and budgets.

    Returns:
        First 16 hex digits of a SHA-256.
    """
    names = [split.data.fingerprint() for split in splits]
    router = hashlib.sha256((inputs.router / "config.json").read_bytes()).hexdigest()
    parts = [*names, splits[0].checkpoint, router, describe_code(), repr(settings)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_report(folder: Path) -> dict[str, Any]:
    """Read the results of a report.

    Args:
        folder: the report's folder.

    Returns:
        What results.json holds; nothing if the report is not whole.
    """
    if not (folder / PAGE).is_file():
        return {}
    try:
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return results if isinstance(results, dict) else {}


def _check_router(bundle: "RouterBundle", folder: Path, splits: list[LabelledSplit]) -> None:
    checkpoint = bundle.meta.get("checkpoint")
    if checkpoint != splits[0].checkpoint:
        raise ValueError(
            f"the router in {folder} belongs to checkpoint {checkpoint}, the labels come from "
            f"{splits[0].checkpoint}; train a router on these labels"
        )
    for name, split in zip(("train", "calibration"), splits[:2], strict=True):
        if bundle.meta[name]["fingerprint"] != split.data.fingerprint():
            raise ValueError(
                f"the router in {folder} was made with other outcomes than the {name} split given "
                "here; report it with the folders it was trained on"
            )


def _label_times(folders: tuple[Path, ...]) -> dict[str, float]:
    return {f"label_{folder.name}_s": round(read_seconds(folder), 1) for folder in folders}
