"""LoRA on the language model, through peft: a few trained weights beside frozen ones."""

import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

LINEAR_LAYERS = r".*language_model\.layers\..*_proj"
"""The linear layers inside the language model; not its embeddings and head."""

LORA_NAME = "lora_"
"""Part of the name of every weight that peft adds."""

ADAPTER_FOLDER = "adapter"
OTHER_WEIGHTS = "trained.safetensors"


def add_adapter(model: Any, rank: int, alpha: int, seed: int) -> Any:
    """Put a fresh LoRA beside every linear layer of the language model.

    Args:
        model: a stock LLaVA; its layers are wrapped in place, so that it is used as before.
        rank: rank of the added matrices.
        alpha: their product counts alpha / rank times.
        seed: seed of their initial weights; the answers are unchanged by these.

    Returns:
        The model as peft's wrapper, which merges and saves.

    Raises:
        ValueError: if peft is not installed.

    Source: Hu et al., arXiv 2106.09685; without dropout, so that a step depends on its batch alone.
    """
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
