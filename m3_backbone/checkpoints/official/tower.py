"""The vision tower of checkpoints that only name it, such as llava-v1.5-7b: from a CLIP folder."""

from pathlib import Path

from torch import Tensor

from m3_backbone.checkpoints.official.weights import TOWER_PREFIX, read_tensors

PARTS = ("embeddings.", "pre_layrnorm.", "encoder.", "post_layernorm.")
"""How the names of a CLIP tower's tensors begin, behind `vision_model.` where that is written."""

PROJECTOR = "model.mm_projector.0.weight"


def add_tower(tensors: dict[str, Tensor], tower: Path | None, name: str) -> dict[str, Tensor]:
    """Give official tensors the vision tower that they lack.

    Args:
        tensors: official name -> tensor.
        tower: folder of a CLIP model, whole or its tower alone; None if the checkpoint has it all.
        name: what the checkpoint calls its tower, for messages.

    Returns:
        The tensors and those of the tower, in the number format of the projector.

    Raises:
        ValueError: if there is no tower, or there are two.
    """
    brings = any(one.startswith(TOWER_PREFIX) for one in tensors)
    if brings and tower is not None:
        raise ValueError("the checkpoint brings its own vision tower: leave out --vision-tower")
    if brings:
        return tensors
    if tower is None:
        raise ValueError(
            f"the checkpoint holds no vision tower (no {TOWER_PREFIX}* tensors), it only names "
            f"{name}: fetch that model and give its folder with --vision-tower"
        )
    own = {one.removeprefix("vision_model."): tensor for one, tensor in read_tensors(tower).items()}
    found = {one: tensor for one, tensor in own.items() if one.startswith(PARTS)}
    if not found:
        raise ValueError(f"{tower} holds no vision tower of CLIP")
    dtype = tensors[PROJECTOR].dtype if PROJECTOR in tensors else None
    full = f"{TOWER_PREFIX}vision_model."
    return {**tensors, **{f"{full}{one}": tensor.to(dtype) for one, tensor in found.items()}}
