"""Labels some images of a finished folder again in other batches, to see what that changes."""

import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.stages.label import read_request
from scripts.stages.model import Opening, open_backbone

if TYPE_CHECKING:
    from labels.outcomes.table import OutcomeTable
if TYPE_CHECKING:
    from labels.outcomes.table import OutcomeTable
    from labels.questions import Question
    from predictor.data import FloatArray, IntArray

Section = dict[str, Any]


FEW, MANY = 1, 16


"""Images at once, where it was many and where it was one."""


def rerun_sample(folder: Path, n_images: int, opening: Opening, seed: int = 0) -> "OutcomeTable":
    """Ask the questions of some images again, in batches of another size.

    Args:
        folder: a finished label folder.
        n_images: how many images, drawn at random.
        opening: the model that labelled it.
        seed: seed of the draw.

    Returns:
        The outcomes; they are kept nowhere.

    Raises:
        ValueError: if the folder does not say what it was asked for, or its questions or its model
            are others now.
    """
    from labels.labelling.run import label
    from labels.outcomes.manifest import read_manifest
    from labels.outcomes.table import read_outcomes

    known, request = read_manifest(folder).settings, read_request(folder)
    if request is None:
        raise ValueError(f"{folder} does not say what it was asked for; label it again, or --again")
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
    sample = questions.about(random.Random(seed).sample(ids, min(n_images, len(ids))))
    other = FEW if request.images_per_batch > FEW else MANY
    with TemporaryDirectory() as scratch:
        again = replace(request, images_per_batch=other, losses=False)
        return read_outcomes(label(sample, backbone, Path(scratch), again, progress=False))


def audit(table: "OutcomeTable", questions: "list[Question]") -> Section:
    """Audit a table as a whole and group by group.

    Args:
        table: the outcomes.
        questions: the question of each row [n].

    Returns:
        What the command prints, ready for JSON.
    """
    import numpy as np

    from labels.audit import borrowed_scores, guess_rates
    from m3_backbone.files import plain

    luck = guess_rates(questions), borrowed_scores(table, questions)
    names = sorted(set(table.groups.tolist()))
    rows_of = {name: np.flatnonzero(table.groups == name) for name in names}
    result: Section = plain(
        {
            "scales": table.scales,
            **_audit_rows(table, np.arange(len(questions)), *luck),
            "yes_no": _yes_no(table, questions),
            "groups": {name: _audit_rows(table, rows, *luck) for name, rows in rows_of.items()},
        }
    )
    return result


def _yes_no(table: "OutcomeTable", questions: "list[Question]") -> list[Section]:
    from labels.metrics.pope import summarise_yes_no

    rows = [row for row, question in enumerate(questions) if question.metric == "yes_no"]
    asked = [questions[row] for row in rows]
    return [summarise_yes_no(answers, asked) for answers in table.answers[rows].T if rows]


def _audit_rows(
    table: "OutcomeTable", rows: "IntArray", guesses: "FloatArray", borrowed: "FloatArray"
) -> Section:
    import numpy as np

    from labels.oracle import granularity
    from predictor.routing_metrics.headroom import audit_ladder
    from predictor.routing_metrics.regressions import luck_floor

    readable = table.parse_ok[rows].mean(axis=0)
    return {
        **audit_ladder(table.scores[rows], table.visual_tokens[rows], table.image_ids[rows]),
        "granularity": granularity(table.scores[rows], table.visual_tokens[rows], table.scales),
        "parse_failures": 1.0 - readable,
        "guess_options": guesses[rows].mean(),
        # What a readable answer earns: one that cannot be read is no guess.
        "guess_answers": borrowed[:, rows].mean(axis=(0, 1)) / np.maximum(readable, 1e-9),
        "floor_options": luck_floor(guesses[rows], len(table.scales)),
        "floor_answers": borrowed[:, rows].max(axis=2).mean(),
    }
