"""Adds features to a table that was imported: images are encoded, and no question is asked.

What this is not: a check that the answers are the model's; the table does not say whose they are.
"""

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from labels.labelling.answerer import Answerer
from labels.labelling.asking import Ask, Asking, EncodedImage, Group, Take, encode_features
from labels.labelling.run import Plan, carry_out
from labels.labelling.settings import LabelSettings
from labels.outcomes.formats import Features, Value
from labels.outcomes.manifest import (
    IMPORTED,
    MANIFEST,
    QUESTIONS_FILE,
    Manifest,
    check_same_settings,
    read_manifest,
)
from labels.outcomes.parts import PARTS
from labels.outcomes.table import read_table
from labels.questions import QuestionSet
from m3_backbone.files import replacing

WORK = "features.unfinished"
"""Folder in the run's, in which the run with features grows."""

OUTCOMES = "outcomes"
"""Setting of a run whose answers were imported: which ones."""


def read_imported(folder: Path) -> Manifest:
    """Read the manifest of a run whose answers were imported.

    Args:
        folder: the run's folder.

    Returns:
        Its manifest.

    Raises:
        ValueError: if they were not.
    """
    manifest = read_manifest(folder)
    if OUTCOMES not in manifest.settings and not _is_bare(manifest):
        raise ValueError(f"{folder} was labelled with its features; nothing is to be added")
    return manifest


def add_features(
    folder: Path,
    questions: QuestionSet,
    answerer: Answerer,
    settings: LabelSettings,
    progress: bool = True,
) -> Path:
    """Encode the images of imported outcomes; the run gets its features, as `label` writes them.

    Args:
        folder: the run's folder; what is there stays until all is done. A run that was killed
            goes on where it stopped.
        questions: the question of each sample of the run.
        answerer: the model that gave the answers.
        settings: how its questions are written; the scales are those of the run.
        progress: whether to show a progress bar on stderr.

    Returns:
        The folder. Its images are known by their content now. A run with features of another
        model or other settings is a ValueError.
    """
    present = read_imported(folder)
    origin = present.settings["checkpoint"] if _is_bare(present) else present.settings[OUTCOMES]
    rows = read_table(folder)
    settings = replace(settings, scales=tuple(sorted(set(rows["scale"].tolist()))))
    plan = Plan(questions, answerer, settings, _recall(rows), {OUTCOMES: origin}, "encoding")
    if not _is_bare(present):
        check_same_settings(folder, present, plan.manifest)
        return folder
    work = carry_out(plan, folder / WORK, progress)
    with replacing(folder, _list_own) as fresh:
        shutil.copytree(work, fresh, copy_function=os.link)
    return folder


def _recall(rows: pd.DataFrame) -> Ask:
    """Make what stands for `ask_images`: it gives the answers of a run."""
    known = {(row["sample_id"], row["scale"]): row for row in rows.to_dict("records")}

    def recall(
        asking: Asking, groups: Sequence[Group], images: dict[str, EncodedImage], take: Take
    ) -> tuple[list[dict[str, Value]], Features]:
        recalled = [
            {
                **known[question.sample_id, scale],
                "image_id": question.image_id,
                "group": question.group,
            }
            for group in groups
            for question in group
            for scale in asking.scales
        ]
        return recalled, encode_features(asking, groups, images, take)

    return recall


def _list_own(folder: Path) -> Collection[str]:
    read_imported(folder)
    return {MANIFEST, QUESTIONS_FILE, PARTS, WORK}


def _is_bare(manifest: Manifest) -> bool:
    return str(manifest.settings["checkpoint"]).startswith(IMPORTED)
