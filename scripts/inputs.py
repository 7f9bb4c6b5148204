"""What a report is made from: label folders, a saved router, perhaps a profile.

Not the report: `stages.py` makes it.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.layout import OUTSIDE, REPHRASED, SPLITS, RunFolder
from scripts.profiles import read_profile
from scripts.provenance import describe_code
from scripts.tables import LabelledSplit, read_splits

if TYPE_CHECKING:
    from predictor.experiment import ExperimentSettings
    from predictor.store import RouterBundle
    from predictor.train import TrainSettings


@dataclass(frozen=True)
class ReportInputs:
    """The folders that a report is made from.

    Attributes:
        train: label folder that the router learns from.
        calibration: label folder for calibration and lambda.
        test: label folder that is reported.
        router: saved router, trained on the first two.
        outside: label folder with unseen content, if there is one.
        rephrased: label folder with questions of the test split in other words, if there is one.
        profile: what `m3scale profile` wrote, for times of this machine; the labels' if None.
    """

    train: Path
    calibration: Path
    test: Path
    router: Path
    outside: Path | None = None
    rephrased: Path | None = None
    profile: Path | None = None

    @property
    def folders(self) -> dict[str, Path]:
        """The label folders by name, those that are not there left out."""
        found = {
            **{"train": self.train, "calibration": self.calibration, "test": self.test},
            **{OUTSIDE: self.outside, REPHRASED: self.rephrased},
        }
        return {name: folder for name, folder in found.items() if folder is not None}

    def read(self) -> dict[str, LabelledSplit]:
        """Read the label folders.

        Returns:
            Name, as in `folders`, to split.
        """
        times = None if self.profile is None else read_profile(self.profile)
        return dict(zip(self.folders, read_splits([*self.folders.values()], times), strict=True))


def find_inputs(run: RunFolder) -> ReportInputs:
    """Name the folders of a run that its report is made from.

    Args:
        run: the run.

    Returns:
        Its three splits, its router, and what else is labelled or measured.
    """
    train, calibration, test = (run.outcomes(split) for split in SPLITS)
    extras = (run.outcomes(OUTSIDE), run.outcomes(REPHRASED), run.profile)
    there = [path if path.exists() else None for path in extras]
    return ReportInputs(train, calibration, test, run.router, *there)


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
    names = [split.data.fingerprint() for split in splits.values()]
    router = hashlib.sha256((inputs.router / "config.json").read_bytes()).hexdigest()
    profile = "" if inputs.profile is None else inputs.profile.read_text("utf-8")
    parts = [*names, splits["train"].checkpoint, router, describe_code(), profile, repr(settings)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_settings(bundle: "RouterBundle", settings: "TrainSettings") -> "TrainSettings":
    """Take over what a saved router was trained with, as far as a report trains it again.

    Args:
        bundle: the router.
        settings: all other settings.

    Returns:
        Settings with its kind, blocks and tuned numbers; other kinds are still to be tuned.
    """
    from predictor.boosted import BoostedSettings
    from predictor.linear import LinearSettings
    from predictor.mlp import MlpSettings
    from predictor.neighbours import NeighbourSettings

    known = bundle.meta["settings"]
    return replace(
        settings,
        kind=bundle.router.kind,
        features=replace(settings.features, blocks=tuple(known["features"]["blocks"])),
        boosted=BoostedSettings(**known["boosted"]),
        linear=LinearSettings(**known["linear"]),
        mlp=MlpSettings(**known["mlp"]),
        neighbours=NeighbourSettings(**known["neighbours"]),
    )


def check_router(bundle: "RouterBundle", folder: Path, splits: dict[str, LabelledSplit]) -> None:
    """Refuse a router that was not made of the labels of its report.

    Args:
        bundle: the router.
        folder: where it lies, for the message.
        splits: the labels.

    Raises:
        ValueError: if it belongs to another checkpoint or to other outcomes.
    """
    checkpoint = bundle.meta.get("checkpoint")
    if checkpoint != splits["train"].checkpoint:
        raise ValueError(
            f"the router in {folder} belongs to checkpoint {checkpoint}, the labels come from "
            f"{splits['train'].checkpoint}; train a router on these labels"
        )
    for name in ("train", "calibration"):
        if bundle.meta[name]["fingerprint"] != splits[name].data.fingerprint():
            raise ValueError(
                f"the router in {folder} was made with other outcomes than the {name} split given "
                "here; report it with the folders it was trained on"
            )
