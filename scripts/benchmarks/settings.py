"""What the benchmarks share: their options, and how they write what they measured.

What a field means is its help. Nothing heavy is imported here.
"""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from m3_backbone.files import write_json
from scripts.stages.provenance import describe_code, describe_hardware

SIZES = ("mini", "tiny", "300m", "7b-shape")
LAYERS_HELP = "Layers of the language model, where memory is short; 0 for all."


@dataclass(frozen=True)
class StepSettings:
    """The training step that is timed."""

    size: str = field(
        default="tiny", metadata={"help": "Size of the model.", "choices": ("tiny", "300m", "7b")}
    )
    device: str = field(default="cpu", metadata={"help": "Torch device."})
    dtype: str = field(
        default="float32",
        metadata={"help": "Number format of the weights.", "choices": ("float32", "bfloat16")},
    )
    bf16: bool = field(
        default=False,
        metadata={"option": "--bf16/--fp32", "help": "Precision of the forward passes."},
    )
    batch: int = field(default=2, metadata={"help": "Images per step.", "min": 1})
    prompt: int = field(default=48, metadata={"help": "Tokens around an image.", "min": 1})
    answer: int = field(default=16, metadata={"help": "Tokens of an answer.", "min": 1})
    layers: int = field(default=0, metadata={"help": LAYERS_HELP, "min": 0})


@dataclass(frozen=True)
class _Model:
    """The model that answers."""

    size: str = field(default="mini", metadata={"help": "Which model.", "choices": SIZES})
    device: str = field(default="cpu", metadata={"help": "Torch device."})


@dataclass(frozen=True)
class _SizedModel(_Model):
    """The model that is timed, in a number format, perhaps with fewer layers."""

    dtype: str = field(
        default="float32",
        metadata={"help": "Number format of the model.", "choices": ("float32", "bfloat16")},
    )
    layers: int = field(default=0, metadata={"help": LAYERS_HELP, "min": 0})


@dataclass(frozen=True)
class LabelBenchSettings(_SizedModel):
    """The labelling that is timed."""

    images: int = field(default=32, metadata={"help": "Images that are labelled.", "min": 1})
    plain_images: int = field(
        default=4, metadata={"help": "Of them, those that the plain loop is given.", "min": 1}
    )
    max_new_tokens: int = field(default=16, metadata={"help": "Longest answer.", "min": 1})
    repeats: int = field(default=3, metadata={"help": "Timed rounds of each.", "min": 1})


@dataclass(frozen=True)
class AdaptiveBenchSettings(_SizedModel):
    """The answering that is timed."""

    questions: int = field(
        default=32, metadata={"help": "Questions, each about an image of its own.", "min": 1}
    )
    batch: int = field(default=8, metadata={"help": "Questions that come together.", "min": 1})
    max_new_tokens: int = field(default=4, metadata={"help": "Longest answer.", "min": 1})
    repeats: int = field(default=3, metadata={"help": "Timed rounds of each.", "min": 1})


@dataclass(frozen=True)
class NumericsSettings(_Model):
    """The answers that are compared."""

    dtype: str = field(
        default="bfloat16",
        metadata={
            "help": "Number format beside float32.",
            "choices": ("float32", "bfloat16", "float16"),
        },
    )
    layers: int = field(default=0, metadata={"help": LAYERS_HELP, "min": 0})
    images: int = field(default=16, metadata={"help": "Images.", "min": 1})
    each: int = field(default=3, metadata={"help": "Questions about each of them.", "min": 1})
    max_new_tokens: int = field(default=16, metadata={"help": "Longest answer.", "min": 1})


def write_measures(
    path: Path | None, benchmark: str, content: Mapping[str, Any], device: str = "cpu"
) -> None:
    """Write what a benchmark measured with what it was measured on, if a file is wanted.

    Args:
        path: the JSON file, or None.
        benchmark: the module's name in `scripts.benchmarks`.
        content: what was measured.
        device: the torch device.
    """
    if path is None:
        return
    write_json(path, with_meta(benchmark, content, device))
    click.echo(f"wrote {path}")


def with_meta(benchmark: str, content: Mapping[str, Any], device: str = "cpu") -> dict[str, Any]:
    """Add what a benchmark was measured on, and by which command."""
    meta = {
        "code_version": describe_code(),
        "hardware": describe_hardware(device),
        "command": _describe_command(benchmark),
    }
    return {**content, "meta": meta}


def is_measured(path: Path, benchmark: str, content: Mapping[str, Any]) -> bool:
    """Tell whether a file holds what the command that runs would measure.

    Args:
        path: the JSON file; it may be missing.
        benchmark: the module's name in `scripts.benchmarks`.
        content: what the file must hold besides, such as the model's fingerprint.

    Returns:
        True if this very command wrote it, with that content.
    """
    try:
        stored = json.loads(path.read_bytes())
        return bool(stored["meta"]["command"] == _describe_command(benchmark)) and all(
            stored[name] == wanted for name, wanted in content.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _describe_command(benchmark: str) -> str:
    return shlex.join(["python", "-m", f"scripts.benchmarks.{benchmark}", *sys.argv[1:]])
