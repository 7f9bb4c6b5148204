"""What the commands do, as functions with plain arguments; `demo` is these in a row.

No options and no printing here; heavy imports stand inside the functions, so that help is quick.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.inputs import ReportInputs, check_router, identify_inputs, read_settings
from scripts.layout import OUTSIDE, REPHRASED
from scripts.output import clean_numbers
from scripts.pictures import make_gallery
from scripts.provenance import describe_code, describe_command, describe_hardware
from scripts.request import LabelRequest, read_seconds, write_request
from scripts.tables import LabelledSplit
from scripts.unseen import report_certified, report_fallback, report_outside

if TYPE_CHECKING:
    from collections.abc import Callable

    from labels.answerer import Answerer
    from labels.shards import Share
    from predictor.experiment import ExperimentSettings, Progress
    from predictor.store import RouterBundle
    from predictor.train import TrainSettings

RESULTS = "results.json"
PAGE = "index.html"


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


def plan_experiment(seeds: int, studies: bool, kind: str = "boosted") -> "ExperimentSettings":
    """Plan what a report measures.

    Args:
        seeds: trainings of each kind.
        studies: whether to tune and compare every kind of router, and to leave features and
            families out in turn.
        kind: name of the router.

    Returns:
        The settings of the experiment.
    """
    from predictor.experiment import ExperimentSettings
    from predictor.train import TrainSettings
    from predictor.tuning import TuningSettings

    train = TrainSettings(kind=kind, tuning=TuningSettings() if studies else None)
    return ExperimentSettings(tuple(range(seeds)), train, studies=studies)


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
    splits = inputs.read()
    check_router(bundle, inputs.router, splits)
    tested = max(len(bundle.meta.get("candidates", ())), 1)
    settings = replace(settings, train=read_settings(bundle, settings.train), tested=tested)
    train, calibration, test = (splits[name].data for name in ("train", "calibration", "test"))
    results = run_experiment(train, calibration, test, settings, progress)
    results["headline"].update(measure_router(bundle, test))
    results.update(_report_extras(bundle, splits, settings))
    budget = settings.evaluation.headline
    results["ladder"] = audit_ladder(test.scores, test.tokens, test.image_ids)
    results["gallery"], images = make_gallery(splits["test"], inputs.test, bundle, budget)
    results["meta"].update(
        checkpoint=splits["test"].checkpoint,
        code_version=describe_code(),
        command=describe_command(),
        hardware=describe_hardware(device),
        inputs=identify_inputs(inputs, splits, settings),
        profile=None if inputs.profile is None else json.loads(inputs.profile.read_text("utf-8")),
    )
    results["meta"]["timings"].update(_label_times(inputs.folders))
    results = dict(clean_numbers(results))
    write_report(results, folder, images)
    return results


def _report_extras(
    bundle: "RouterBundle", splits: dict[str, LabelledSplit], settings: "ExperimentSettings"
) -> dict[str, Any]:
    """Give the sections about content and words that the router has not seen."""
    from predictor.transfer import rephrase

    budget, test = settings.evaluation.headline, splits["test"].data
    found: dict[str, Any] = {"fallback": report_fallback(bundle, test, budget)}
    outside = splits[OUTSIDE].data if OUTSIDE in splits else None
    if outside is not None:
        found["ood"] = report_outside(bundle, outside, settings.evaluation)
        found["fallback_ood"] = report_fallback(bundle, outside, budget)
    found["fallback_certified"] = report_certified(bundle, test, outside)
    if REPHRASED in splits:
        found["paraphrase"] = rephrase([bundle], test, splits[REPHRASED].data, budget)
    return found


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


def _label_times(folders: dict[str, Path]) -> dict[str, float]:
    return {f"label_{path.name}_s": round(read_seconds(path), 1) for path in folders.values()}
