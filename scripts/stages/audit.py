"""Audits an outcome table, and labels some of its images again to see which answers change."""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.stages.label import read_request
from scripts.stages.model import Opening, open_backbone
from scripts.stages.splits import find_clusters, read_answered, read_splits

if TYPE_CHECKING:
    from labels.audit import Luck
    from labels.outcomes.table import OutcomeTable
    from labels.questions import Question
    from predictor.data import FloatArray, IntArray, NameArray

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
        once = replace(request, repeats=1, sample_temperature=0.0, paraphrases=None)
        again = replace(once, images_per_batch=other, losses=False)
        # Read before the scratch folder goes.
        return read_outcomes(label(sample, backbone, Path(scratch), again, progress=False))


NO_ROUTER = "none"
"""Kind of router of an audit that goes by the outcomes alone."""


def audit_folder(folder: Path, kind: str) -> dict[str, Any]:
    """Audit a label folder; if it has features, by what a router trained on them gains.

    Args:
        folder: a finished label folder.
        kind: kind of router that is trained by image folds, or `NO_ROUTER`.

    Returns:
        What the command prints, ready for JSON.
    """
    from labels.outcomes.manifest import IMPORTED, read_manifest
    from predictor.routers.registry import router_class
    from predictor.routing_metrics.verdict import FEWEST
    from predictor.training.cross_routing import cross_predict
    from predictor.training.train import TrainSettings

    if kind != NO_ROUTER:
        router_class(kind)  # an unknown one is refused before any work
    table, questions = read_answered(folder)
    if str(read_manifest(folder).settings.get("checkpoint")).startswith(IMPORTED):
        return audit(table, questions, imported=True)
    if kind == NO_ROUTER or len(set(find_clusters(table, questions).tolist())) < FEWEST:
        return audit(table, questions)
    [split] = read_splits([folder])
    return audit(table, questions, cross_predict(split.data, TrainSettings(kind=kind)))


@dataclass(frozen=True)
class _Known:
    """What is known of every row of a table beside its outcomes.

    Attributes:
        images: rows with an image in common have the same name [n].
        guesses: chance of picking a right option, NaN where options are unknown [n].
        luck: what answers to other questions score.
        predicted: P(correct) by routers that have not seen the row's image [n, s].
    """

    images: "NameArray"
    guesses: "FloatArray"
    luck: "Luck"
    predicted: "FloatArray | None"


def audit(
    table: "OutcomeTable",
    questions: "list[Question]",
    predicted: "FloatArray | None" = None,
    imported: bool = False,
) -> dict[str, Any]:
    """Audit a table as a whole and group by group.

    Args:
        table: the outcomes.
        questions: the question of each row [n].
        predicted: P(correct) by routers that have not seen the row's image [n, s].
        imported: whether the outcomes were imported, and options perhaps left behind.

    Returns:
        What the command prints, ready for JSON.
    """
    import numpy as np

    from labels.audit import guess_rates, lend_answers, note_unknown_images, settle_questions
    from m3_backbone.serialization import json_ready

    settled = settle_questions(table, questions)
    known = _Known(
        images=find_clusters(table, questions),
        guesses=guess_rates(settled, float("nan") if imported else 0.0),
        luck=lend_answers(table, settled),
        predicted=predicted,
    )
    names = sorted(set(table.groups.tolist()))
    rows_of = {name: np.flatnonzero(table.groups == name) for name in names}
    result = {
        "scales": table.scales,
        **_audit_rows(table, np.arange(len(questions)), known),
        "image_note": note_unknown_images(table.image_ids),
        "yes_no": _yes_no(table, questions),
        "groups": {name: _audit_rows(table, rows, known) for name, rows in rows_of.items()},
    }
    return dict(json_ready(result, digits=7))


def _yes_no(table: "OutcomeTable", questions: "list[Question]") -> list[dict[str, float]]:
    from labels.metrics.pope import summarise_yes_no

    rows = [row for row, question in enumerate(questions) if question.metric == "yes_no"]
    if not rows:
        return []
    asked = [questions[row] for row in rows]
    return [summarise_yes_no(answers, asked) for answers in table.answers[rows].T]  # per scale


def _audit_rows(table: "OutcomeTable", rows: "IntArray", known: _Known) -> dict[str, Any]:
    import numpy as np

    from labels.oracle import granularity
    from predictor.routing_metrics.headroom import measure_headroom
    from predictor.routing_metrics.regressions import luck_floor
    from predictor.routing_metrics.verdict import FEWEST
    from predictor.training.cross_routing import choose_for_gain

    scores, tokens, images = table.scores[rows], table.visual_tokens[rows], known.images[rows]
    chosen = None
    if known.predicted is not None and len(np.unique(images)) >= FEWEST:
        chosen = choose_for_gain(known.predicted[rows], tokens)
    readable = table.parse_ok[rows].mean(axis=0)  # [s]
    repeats = None if table.repeats is None else table.repeats[rows]
    guesses = known.guesses[rows]
    has_options = not np.isnan(guesses).any()
    return {
        **measure_headroom(scores, tokens, images, chosen, repeats),
        "granularity": granularity(scores, tokens, table.scales),
        "parse_failures": 1.0 - readable,
        "guess_options": guesses.mean(),
        # Per readable answer, since an unreadable one is no guess [s].
        "guess_answers": known.luck.scores[rows].mean(axis=0) / np.maximum(readable, 1e-9),
        "floor_options": luck_floor(guesses, len(table.scales)) if has_options else None,
        # Right by luck at any scale is enough for an oracle.
        "floor_answers": known.luck.best[rows].mean(),
    }
