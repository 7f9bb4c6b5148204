"""Labels some images of a finished folder again in other batches, to see what that changes."""

import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from scripts.opening import Opening, open_backbone
from scripts.request import read_request

if TYPE_CHECKING:
    from labels.outcomes import OutcomeTable

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
    from labels.generate import label
    from labels.manifest import read_manifest
    from labels.outcomes import read_outcomes

    known, request = read_manifest(folder).settings, read_request(folder)
    if request is None:
        raise ValueError(f"{folder} does not say what it was asked for; label it again, or --again")
    questions, settings = request.load_questions(), request.settings()
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
    other = FEW if settings.images_per_batch > FEW else MANY
    with TemporaryDirectory() as scratch:
        again = replace(settings, images_per_batch=other, losses=False)
        return read_outcomes(label(sample, backbone, Path(scratch), again, progress=False))
