"""Progress of a labelling run: what is done, by whom, how fast, and what is left.

It is read off the folder alone, so it also works while others label into it, or after they were
killed. What this is not: a check of the files; `labels.outcomes.table` verifies what it reads.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labels.outcomes.manifest import read_manifest
from labels.outcomes.parts import Work, list_parts, missing_parts, read_work

PATIENCE = 3.0
"""How many times as long as its parts usually took a process may be silent, to count as working."""


@dataclass
class WorkerTally:
    """What one process has done.

    Attributes:
        worker: its name, host and process id.
        parts: parts it made.
        images: their images.
        questions: their questions.
        seconds: time it worked on them.
        last: when it finished its latest part [Unix time].
    """

    worker: str
    parts: int = 0
    images: int = 0
    questions: int = 0
    seconds: float = 0.0
    last: float = 0.0

    @property
    def speed(self) -> float | None:
        """Questions per second, all scales of each; None if that took no time."""
        return self.questions / self.seconds if self.seconds else None

    @property
    def is_active(self) -> bool:
        """Whether its next part is still to be expected."""
        return time.time() - self.last <= PATIENCE * self.seconds / self.parts

    def add(self, work: Work) -> None:
        """Count a part that it made."""
        self.parts += 1
        self.images += int(work["images"])
        self.questions += int(work["questions"])
        self.seconds += float(work["seconds"])
        self.last = max(self.last, float(work["ended"]))


def read_status(folder: Path) -> dict[str, Any]:
    """Read the progress of the run in a folder.

    Returns:
        `source`, `run`, `finished`; `parts`, `images` and `questions`, each with `done` and `all`
        (`done` counts parts whose record names who made them); `missing` part numbers; `workers`
        with their tallies and `speed` [questions per second]; and `seconds_left`, None if none of
        them has made a part lately.
    """
    manifest = read_manifest(folder)
    parts = list_parts(folder)
    tallies: dict[str, WorkerTally] = {}
    for entry in (entry for part in parts for entry in read_work(part, manifest.run)):
        name = str(entry["worker"])
        tallies.setdefault(name, WorkerTally(name)).add(entry)
    workers = [tallies[name] for name in sorted(tallies)]
    missing = missing_parts(parts, manifest.n_parts)
    done = {
        "images": sum(worker.images for worker in workers),
        "questions": sum(worker.questions for worker in workers),
    }
    if not missing:  # parts of older runs do not name who made them
        done = {"images": manifest.n_images, "questions": manifest.n_questions}
    speed = sum(worker.speed or 0.0 for worker in workers if worker.is_active)
    left = manifest.n_questions - done["questions"]
    seconds_left = left / speed if speed else None
    return {
        "source": manifest.source,
        "run": manifest.run,
        "finished": manifest.finished,
        "parts": {"done": manifest.n_parts - len(missing), "all": manifest.n_parts},
        "images": {"done": done["images"], "all": manifest.n_images},
        "questions": {"done": done["questions"], "all": manifest.n_questions},
        "missing": missing,
        "workers": [{**asdict(worker), "speed": worker.speed} for worker in workers],
        "seconds_left": seconds_left if missing else 0.0,
    }
