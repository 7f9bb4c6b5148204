"""Which parts of a model train and how they are made ready for it, LoRA included."""

import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from m3_backbone.training.settings import FinetuneSettings

LINEAR_LAYERS = r".*language_model\.layers\..*_proj"
"""The linear layers inside the language model; not its embeddings and head."""

LORA_NAME = "lora_"
"""Part of the name of every weight that peft adds."""

ADAPTER_FOLDER = "adapter"
OTHER_WEIGHTS = "trained.safetensors"


def choose_parts(model: Any, settings: FinetuneSettings) -> list[tuple[nn.Module, float]]:
    """Let the parts of a model train exactly if their learning rate is above zero.

    Args:
        model: a stock LLaVA, with the LoRA that the settings ask for.
        settings: the rates.

    Returns:
        The parts with their rates.
    """
    inner = model.model
    # A LoRA leaves the head as it is.
    head_rate = 0.0 if settings.lora_rank else settings.language_rate
    parts = [
        (inner.vision_tower, settings.tower_rate),
        (inner.multi_modal_projector, settings.projector_rate),
        (inner.language_model, settings.language_rate),
        (model.lm_head, head_rate),
    ]
    if hasattr(inner, "image_newline"):
        parts.append((nn.ParameterList([inner.image_newline]), settings.projector_rate))
    for module, rate in parts:
        module.requires_grad_(rate > 0)
    # After the loop, which has set the whole language model by its rate.
    if settings.lora_rank:
        for name, weight in inner.language_model.named_parameters():
            weight.requires_grad_(settings.language_rate > 0 and LORA_NAME in name)
    return parts


def set_checkpointing(model: Any, settings: FinetuneSettings) -> None:
    """Make the layers that gradients pass through keep nothing but what went in, if asked to."""
    if not settings.checkpointing:
        return
    inner = model.model
    trained = [inner.vision_tower] if settings.tower_rate > 0 else []
    for part in (inner.language_model, *trained):
        # The older name is what transformers before 5.23 has.
        enable = getattr(part, "activation_checkpointing_enable", None)
        (enable or part.gradient_checkpointing_enable)({"use_reentrant": False})


def add_adapter(model: Any, rank: int, alpha: int, seed: int) -> Any:
    """Put a fresh LoRA beside every linear layer of the language model.

    Args:
        model: a stock LLaVA; its layers are wrapped in place, so that it is used as before.
        rank: rank of the added matrices.
        alpha: their product is scaled by alpha / rank.
        seed: seed of their initial weights; the answers are unchanged by these.

    Returns:
        The model as peft's wrapper, which merges and saves.

    Raises:
        ValueError: if peft is not installed, or the rank is above the width of the model.

    Source: Hu et al., arXiv 2106.09685; without dropout, so that a step depends on its batch alone.
    """
    width = model.config.get_text_config().hidden_size
    if rank > width:
        raise ValueError(
            f"a LoRA of rank {rank} is no smaller than the language model, which is {width} wide: "
            "lower --lora-rank"
        )
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ValueError("LoRA needs peft: pip install peft") from error
    torch.manual_seed(seed)
    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=LINEAR_LAYERS)
    with warnings.catch_warnings():
        # peft asks transformers whether it checkpoints, by the name it had before 5.23.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return get_peft_model(model, settings)


def write_adapter(adapted: Any, folder: Path) -> None:
    """Write what was trained, and nothing of what was not.

    Args:
        adapted: what `add_adapter` gave.
        folder: gets `ADAPTER_FOLDER`, which peft opens, and, where the tower or the projector was
            trained, their weights in `OTHER_WEIGHTS` under their names in the stock model.
    """
    adapted.save_pretrained(str(folder / ADAPTER_FOLDER), save_embedding_layers=False)
    others = {
        name: weight.detach().contiguous()
        for name, weight in adapted.get_base_model().named_parameters()
        if weight.requires_grad and LORA_NAME not in name
    }
    if others:
        save_file(others, folder / OTHER_WEIGHTS, metadata={"format": "pt"})
