"""What all trainings share: schedule, optimizer steps, checkpoints to resume from, progress.

What is trained, and on what, is up to the caller; batches must depend on the step number alone, so
that a resumed run sees what an undisturbed one would have seen.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from m3_backbone.checkpoints.writing import writing_weights
from m3_backbone.files import replacing, write_atomically
from m3_backbone.foreign import third_party
from m3_backbone.training.distributed import average_gradients, group_rank, group_size
from m3_backbone.training.optimizers import build_optimizers
from m3_backbone.training.settings import LoopSettings

VERSION = 1
"""Format of the file that holds an unfinished run."""

LOG = "log.jsonl"
"""Lies beside the file of the run, with a line for each step."""

SCHEMA = {"identity", "step", "modules", "optimizers"}


def cosine_factor(step: int, steps: int, warmup: float) -> float:
    """Give the learning-rate factor in [0, 1] of a linear warm-up and a cosine decay."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    # From 1 at the end of the warm-up to 0 at the last step.
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class TrainingLoop:
    """Steps an optimiser over `modules`, saving and resuming in one file.

    Args:
        modules: pairs of a module and its peak learning rate.
        settings: how long and how fast.
        checkpoint: file that holds the run so far.
        identity: what is trained; it must agree, with steps, seed and purpose, when a run is
            resumed.
    """

    def __init__(
        self,
        modules: list[tuple[nn.Module, float]],
        settings: LoopSettings,
        checkpoint: Path,
        identity: str,
    ) -> None:
        self.modules = nn.ModuleList([module for module, _ in modules])
        self.settings = settings
        self.checkpoint = checkpoint
        self.identity = (
            f"{identity} {settings.optimizer} steps={settings.steps} seed={settings.seed} "
            f"processes={group_size()} {settings.purpose}"
        )
        self.optimizers = build_optimizers(modules, settings.weight_decay, settings.optimizer)
        self.step = 0
        self.saved_at = time.monotonic()
        if checkpoint.exists():
            self.resume()

    def resume(self) -> None:
        """Take up the run that the checkpoint holds.

        Raises:
            ValueError: if it is a run with other settings, or the file is damaged.
        """
        damaged = f"{self.checkpoint} cannot be read, delete it to train from the start"
        with third_party(damaged):
            # Not to the device it was saved from: processes that train together have one each.
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not SCHEMA <= state.keys():
            raise ValueError(f"{damaged}: expected {', '.join(sorted(SCHEMA))}")
        # Files of before there was a version are of the first.
        if state.get("format_version", VERSION) != VERSION:
            raise ValueError(f"{damaged}: it is of another version of m3scale")
        if state["identity"] != self.identity:
            raise ValueError(
                f"{self.checkpoint} belongs to another run ({state['identity']}); this one is "
                f"{self.identity}: remove the file or choose another folder"
            )
        step = state["step"]
        if type(step) is not int or not 0 <= step <= self.settings.steps:
            raise ValueError(f"{damaged}: its step is {step!r:.80}")
        # The file holds what is trained, and all of it.
        if (
            not isinstance(state["modules"], dict)
            or state["modules"].keys() != self._trained().keys()
        ):
            raise ValueError(f"{damaged}: it holds other weights than those that are trained")
        with third_party(damaged):
            self.modules.load_state_dict(state["modules"], strict=False)
            for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
        self.step = step

    def _trained(self) -> dict[str, Tensor]:
        """Name what is trained; what is frozen is where the run started from."""
        named = self.modules.named_parameters()
        return {name: weight.detach() for name, weight in named if weight.requires_grad}

    def save(self) -> None:
        """Write the checkpoint so that a kill at any moment leaves a whole one.

        Of processes that train together the first one writes.

        Raises:
            ValueError: if a weight is no finite number; after the last step no gradient shows it.
        """
        trained = self._trained()
        broken = [name for name, weight in trained.items() if not torch.isfinite(weight).all()]
        if broken:
            raise ValueError(
                f"the weights became NaN or infinite by step {self.step}, such as {broken[0]}; "
                f"lower the learning rate and resume from {self.checkpoint}, if it is there"
            )
        if group_rank() > 0:
            return
        state = {
            "format_version": VERSION,
            "identity": self.identity,
            "step": self.step,
            "modules": trained,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        with replacing(self.checkpoint) as partial, writing_weights():
            torch.save(state, partial)
        self.saved_at = time.monotonic()

    def steps(self, title: str) -> Iterator[tuple[int, "tqdm[int]"]]:
        """Yield each step that is still to do; the caller leaves its gradients behind."""
        bar = tqdm(
            total=self.settings.steps,
            initial=self.step,
            desc=title,
            disable=self.settings.quiet or group_rank() > 0 or None,  # None: only on a terminal
        )
        with bar:
            while self.step < self.settings.steps:
                for optimizer in self.optimizers:
                    # None and not zero: `average_gradients` tells by it who has a gradient.
                    optimizer.zero_grad(set_to_none=True)
                yield self.step, bar
                self.apply()
                bar.update()
        self.save()

    def apply(self) -> None:
        """Average and clip the gradients, set the learning rates and step the optimisers.

        Raises:
            ValueError: if a gradient is no number.
        """
        factor = cosine_factor(self.step, self.settings.steps, self.settings.warmup)
        for group in (group for one in self.optimizers for group in one.param_groups):
            group["lr"] = group["peak"] * factor
        trained = [p for p in self.modules.parameters() if p.requires_grad]
        # Averaged before clipping, so that all processes clip by the same norm.
        average_gradients(trained)
        norm = nn.utils.clip_grad_norm_(trained, self.settings.clip)
        if not torch.isfinite(norm):
            raise ValueError(
                f"the gradient became {norm.item()} at step {self.step}; "
                f"lower the learning rate and resume from {self.checkpoint}"
            )
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        if time.monotonic() - self.saved_at > self.settings.save_seconds:
            self.save()


class StepLog:
    """Writes the log of one run.

    Of processes that train together the first one writes, what it saw itself.

    Args:
        path: the file; lines of steps that are to be done again are taken out.
        step: steps that are done.

    Attributes:
        earlier: losses of each step that was done before this process, as they are in the file.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.dropped = 0
        self.answer_tokens = 0
        self.earlier: list[dict[str, float | None]] = []
        if group_rank() > 0:
            return
        found = []
        if path.is_file():
            found = path.read_text(encoding="utf-8", errors="replace").splitlines()[:step]
        # Written before its step counts as done, a line outlives a kill, but not a loss of power.
        found += [""] * (step - len(found))
        write_atomically(path, "".join(map(self._take_up, found)).encode())

    def _take_up(self, text: str) -> str:
        """Count a line of the file, and give what stands there from now on."""
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # torn; the line still stands for its step
            line = {"losses": {}, "answer_tokens": 0, "dropped": self.dropped}
        self.dropped = int(line["dropped"])
        self.answer_tokens += int(line["answer_tokens"])
        self.earlier.append(line["losses"])
        return json.dumps(line) + "\n"

    def write(
        self,
        losses: Mapping[int, float] | Mapping[str, float],
        answer_tokens: int = 0,
        dropped: int = 0,
    ) -> None:
        """Add the line of one step.

        Args:
            losses: scale, or target of the dense loss -> loss.
            answer_tokens: tokens of answers that the losses are means over.
            dropped: questions or conversations that were too long to learn from in this step.
        """
        self.dropped += dropped
        self.answer_tokens += answer_tokens
        if group_rank() > 0:
            return
        finite = {scale: loss if math.isfinite(loss) else None for scale, loss in losses.items()}
        line = {"losses": finite, "answer_tokens": answer_tokens, "dropped": self.dropped}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
