"""The settings of a fine-tuning; `m3scale finetune` makes its options from the fields.

What a field means is its help; a field without help is no option. The name and the order of the
fields are part of what a stopped run is recognized by. Nothing heavy is imported here, so that
`m3scale finetune --help` is quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FinetuneSettings:
    """What is trained and how fast.

    `dense_targets` maps the name of each target of the dense loss to its number of classes;
    `align_ids` holds the token id of each class of the dense target "content", -1 for a class
    without one. The losses beside that of the answers are in `tower` and `auxiliary_losses`.
    """

    tower_rate: float = field(
        default=2e-5,
        metadata={"help": "Peak learning rate of the vision tower; 0 freezes it.", "min": 0},
    )
    projector_rate: float = field(
        default=2e-5,
        metadata={"help": "Peak learning rate of the projector; 0 freezes it.", "min": 0},
    )
    language_rate: float = field(
        default=2e-5,
        metadata={"help": "Peak learning rate of the language model; 0 freezes it.", "min": 0},
    )
    scales_per_step: int = field(
        default=5,
        metadata={
            "help": "Scales of each step; fewer are drawn at random, 1 is the random-scale loss.",
            "min": 1,
        },
    )
    keep_largest: bool = field(
        default=False,
        metadata={"help": "The largest scale is one of the --scales-per-step of every step."},
    )
    dense_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of the loss of --dense beside the answers, on scenes with a trained "
            "tower; for models that start from random weights.",
            "min": 0,
        },
    )
    dense_targets: Mapping[str, int] = field(default_factory=dict)
    align_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of the loss that draws visual tokens to the words for them, on scenes.",
            "min": 0,
        },
    )
    align_ids: tuple[int, ...] = ()
    ground_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of the loss that makes the answer attend to the region the question "
            "is about, with --dense-weight.",
            "min": 0,
        },
    )
    accumulate: int = field(
        default=1,
        metadata={"help": "Gradient accumulation: batches per optimiser step.", "min": 1},
    )
    checkpointing: bool = field(
        default=False, metadata={"help": "Compute layers twice to save memory; same gradient."}
    )
    lora_rank: int = field(
        default=0,
        metadata={
            "help": "Train a LoRA of this rank in place of the language model, such as 128 at a "
            "--language-rate of 2e-4; 0 trains the model itself. Needs peft.",
            "min": 0,
        },
    )
    lora_alpha: int = field(
        default=256,
        metadata={"help": "LoRA alpha; the update is scaled by alpha / rank.", "min": 1},
    )


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast to train.

    `warmup` is the share of the steps with a rising learning rate, `weight_decay` AdamW's decay of
    matrices (vectors are never decayed), `clip` the largest gradient norm, and `purpose` says what
    else a run must agree in to be taken up again: model, data, sizes.
    """

    steps: int = field(default=1000, metadata={"help": "Optimiser steps.", "min": 1})
    warmup: float = 0.03
    weight_decay: float = 0.02
    clip: float = 1.0
    save_seconds: float = field(
        default=120.0, metadata={"help": "Seconds between checkpoints of the run.", "min": 0}
    )
    bf16: bool = field(
        default=False,
        metadata={"option": "--bf16/--fp32", "help": "Precision of the forward passes."},
    )
    compiled: bool = field(
        default=False,
        # A run may be taken up either way.
        repr=False,
        metadata={
            "option": "--compile/--no-compile",
            "help": "Compile the layers: a slow first minute, then quicker steps. Needs a C++ "
            "compiler; weights differ in their last bits.",
        },
    )
    seed: int = field(
        default=0,
        metadata={"help": "Seed of data, scales and fresh weights.", "min": 0, "max": 2**32 - 1},
    )
    workers: int = field(
        default=0, metadata={"help": "Processes that prepare batches ahead; 0 for none.", "min": 0}
    )
    quiet: bool = field(default=False, metadata={"help": "No progress bar."})
    optimizer: str = field(
        default="adamw",
        metadata={
            "help": "Optimiser; muon for the matrices inside the layers, AdamW for the rest.",
            "choices": ("adamw", "muon"),
        },
    )
    purpose: str = ""
