"""Audits an outcome table, and labels some of its images again to see which answers change."""

import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.stages.label import read_request
from scripts.stages.model import Opening, open_backbone

if TYPE_CHECKING:
    from labels.outcomes.table import OutcomeTable
    from labels.questions import Question
    from predictor.data import FloatArray, IntArray

FEW = 1
"""Images per batch when a folder that was labelled in larger batches is labelled again."""

MANY = 16
"""Images per batch when a folder that was labelled one by one is labelled again."""


def rerun_sample(folder: Path, n_images: int, opening: Opening, seed: int = 0) -> "OutcomeTable":
    """Ask the questions of some images again, in batches of another size.

    Args:
        folder: a finished label folder.
        n_images: how many images, drawn at random.
        opening: the model that labelled it.
        seed: seed of the draw.

    Returns:
        The outcomes; they are not saved.

    Raises:
        ValueError: if the folder does not say how it was labelled, or its questions or its model
            have changed.
    """
    from labels.labelling.run import label
    from labels.outcomes.manifest import read_manifest
    from labels.outcomes.table import read_outcomes

    # What is cheap to refuse comes first; the model is opened last.
    known = read_manifest(folder).settings
    request = read_request(folder)
    if request is None:
        raise ValueError(f"{folder} does not say how it was labelled; label it again, or --again")
    questions = request.load_questions()
    if questions.fingerprint != known["questions"]:
        raise ValueError(f"the questions of {request.source} are not those of {folder} any more")
    backbone = open_backbone(opening)
    if (backbone.fingerprint, backbone.dtype_name) != (known["checkpoint"], known["dtype"]):
        raise ValueError(
            f"{folder} was labelled by {known['checkpoint']} in {known['dtype']}, --model is "
            f"{backbone.fingerprint} in {backbone.dtype_name}"
        )
    ids = list(questions.image_ids)
    # Whole images, since the questions of one share a batch.
    sample = questions.about(random.Random(seed).sample(ids, min(n_images, len(ids))))
    other = FEW if request.images_per_batch > FEW else MANY
    with TemporaryDirectory() as scratch:
        again = replace(request, images_per_batch=other, losses=False)
        # Read before the scratch folder goes.
        return read_outcomes(label(sample, backbone, Path(scratch), again, progress=False))


def audit(table: "OutcomeTable", questions: "list[Question]") -> dict[str, Any]:
    """Audit a table, given with the question of each row, as a whole and group by group.

    Returns:
        What the command prints, ready for JSON.
    """
    import numpy as np

    from labels.audit import borrowed_scores, guess_rates, note_unknown_images
    from m3_backbone.serialization import json_ready

    luck = guess_rates(questions), borrowed_scores(table, questions)  # [n], [draws, n, s]
    names = sorted(set(table.groups.tolist()))
    rows_of = {name: np.flatnonzero(table.groups == name) for name in names}
    result = {
        "scales": table.scales,
        **_audit_rows(table, np.arange(len(questions)), *luck),
        "image_note": note_unknown_images(table.image_ids),
        "yes_no": _yes_no(table, questions),
        "groups": {name: _audit_rows(table, rows, *luck) for name, rows in rows_of.items()},
    }
    return dict(json_ready(result, digits=7))


def _yes_no(table: "OutcomeTable", questions: "list[Question]") -> list[dict[str, float]]:
    from labels.metrics.pope import summarise_yes_no

    rows = [row for row, question in enumerate(questions) if question.metric == "yes_no"]
    if not rows:
        return []
    asked = [questions[row] for row in rows]
    return [summarise_yes_no(answers, asked) for answers in table.answers[rows].T]  # per scale


def _audit_rows(
    table: "OutcomeTable", rows: "IntArray", guesses: "FloatArray", borrowed: "FloatArray"
) -> dict[str, Any]:
    import numpy as np

    from labels.oracle import granularity
    from predictor.routing_metrics.headroom import measure_headroom
    from predictor.routing_metrics.regressions import luck_floor

    readable = table.parse_ok[rows].mean(axis=0)  # [s]
    return {
        **measure_headroom(table.scores[rows], table.visual_tokens[rows], table.image_ids[rows]),
        "granularity": granularity(table.scores[rows], table.visual_tokens[rows], table.scales),
        "parse_failures": 1.0 - readable,
        "guess_options": guesses[rows].mean(),  # [n] -> one number
        # [draws, n, s] -> [s], per readable answer, since an unreadable one is no guess.
        "guess_answers": borrowed[:, rows].mean(axis=(0, 1)) / np.maximum(readable, 1e-9),
        "floor_options": luck_floor(guesses[rows], len(table.scales)),
        # [draws, n, s]: right by luck at any scale is enough for an oracle.
        "floor_answers": borrowed[:, rows].max(axis=2).mean(),
    }
