"""A line of JSON for every step of a training; a resumed run writes the same lines once."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from m3_backbone.group import group_rank


class StepLog:
    """Writes the log of one run.

    Of processes that train together the first one writes, what it saw itself.

    Args:
        path: the file; lines of steps that are to be done again are taken out.
        step: steps that are done.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.dropped = 0
        if not path.is_file() or group_rank() > 0:
            return
        # The line of a step is written before the step counts as done: these are all whole.
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:step]
        partial = path.with_suffix(".tmp")
        partial.write_text("".join(kept), encoding="utf-8")
        os.replace(partial, path)
        if kept:
            self.dropped = int(json.loads(kept[-1])["dropped"])

    def write(self, losses: Mapping[int, float], answer_tokens: int, dropped: int) -> None:
        """Add the line of one step.

        Args:
            losses: scale -> loss.
            answer_tokens: tokens that the losses are means over.
            dropped: questions or conversations that were too long to learn from in this step.
        """
        self.dropped += dropped
        if group_rank() > 0:
            return
        finite = {scale: loss if math.isfinite(loss) else None for scale, loss in losses.items()}
        line = {"losses": finite, "answer_tokens": answer_tokens, "dropped": self.dropped}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
