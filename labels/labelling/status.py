"""How far a labelling run is: what is done, by whom, how fast, and what is left.

Read off the folder alone, while others label into it or after they were lost. What this is not: a
check of the files; `labels.outcomes.table` verifies what it reads.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labels.labelling.claims import PATIENCE, Claim, list_claims
from labels.outcomes.manifest import read_manifest
from labels.outcomes.parts import Work, list_parts, missing_parts, read_work

Section = dict[str, Any]


@dataclass
class WorkerTally:
    """What one process has done.

    Attributes:
        worker: its name, host and process id.
        parts: parts it made.
        images: their images.
        questions: their questions.
        seconds: time it worked on them.
        last: when it ended its latest part [Unix time].
        at: number of the part it is at, None if it is at none.
        silent: for how long it has not shown that it is alive [seconds]; None if it is at no part.
    """

    worker: str
    parts: int = 0
    images: int = 0
    questions: int = 0
    seconds: float = 0.0
    last: float = 0.0
    at: int | None = None
    silent: float | None = None

    @property
    def speed(self) -> float | None:
        """Questions a second, all scales of each; None before the first part."""
        return self.questions / self.seconds if self.seconds else None

    @property
    def is_at_work(self) -> bool:
        """Whether it is at a part and was not lost."""
        return self.silent is not None and self.silent <= PATIENCE

    def add(self, work: Work) -> None:
        """Count a part that it made.

        Args:
            work: the part's entry.
        """
        self.parts += 1
        self.images += int(work["images"])
        self.questions += int(work["questions"])
        self.seconds += float(work["seconds"])
        self.last = max(self.last, float(work["ended"]))


def read_status(folder: Path) -> Section:
    """Tell how far a run is.

    Args:
        folder: the run's folder.

    Returns:
        `source`, `run`, `finished`; `parts`, `images` and `questions`, each with `done` and `all`
        (`done` counts parts of which it was noted who made them); `missing` part numbers;
        `workers` with their tallies and `speed` [questions a second]; and `seconds_left`, None if
        nobody whose speed is known is at work.
    """
    manifest = read_manifest(folder)
    parts = list_parts(folder)
    work = [entry for part in parts for entry in read_work(part, manifest.run)]
    workers = _tally(work, [] if manifest.finished else list_claims(folder))
    missing = missing_parts(parts, manifest.n_parts)
    done = {
        "images": sum(worker.images for worker in workers),
        "questions": sum(worker.questions for worker in workers),
    }
    if not missing:  # also of runs from before it was noted who made a part
        done = {"images": manifest.n_images, "questions": manifest.n_questions}
    speed = sum(worker.speed or 0.0 for worker in workers if worker.is_at_work)
    left = manifest.n_questions - done["questions"]
    return {
        "source": manifest.source,
        "run": manifest.run,
        "finished": manifest.finished,
        "parts": {"done": manifest.n_parts - len(missing), "all": manifest.n_parts},
        "images": {"done": done["images"], "all": manifest.n_images},
        "questions": {"done": done["questions"], "all": manifest.n_questions},
        "missing": missing,
        "workers": [{**asdict(worker), "speed": worker.speed} for worker in workers],
        "seconds_left": left / speed if speed else 0.0 if not missing else None,
    }


def _tally(work: list[Work], claims: list[Claim]) -> list[WorkerTally]:
    workers: dict[str, WorkerTally] = {}
    for name in [*(str(entry["worker"]) for entry in work), *(claim.worker for claim in claims)]:
        workers.setdefault(name, WorkerTally(name))
    for entry in work:
        workers[str(entry["worker"])].add(entry)
    for claim in claims:
        worker = workers[claim.worker]
        worker.at, worker.silent = claim.part, round(max(0.0, time.time() - claim.touched), 3)
    return sorted(workers.values(), key=lambda worker: worker.worker)
