"""Sharing a run out among processes that have nothing in common but a folder.

Who makes a part claims it first, by a file that only one process can create and that is touched
while the work goes on. A claim that nobody touches any more is void: its process was lost, and
another one does the part. Claims only spare work; that no part is there twice is
`labels.outcomes.parts`'s doing. What this is not: a queue or a group of processes; any of them may
come late or be killed.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labels.outcomes.parts import PARTS, Part
from m3_backbone.files import explain, is_gone, worker_name
from m3_backbone.schemas import CLOSED, parse_saved

CLAIM = ".claim"

BEAT = 5.0
"""How often a claim is touched [seconds]."""

PATIENCE = 60.0
"""For how long a claim may stand untouched, seen from whoever waits [seconds]."""

PAUSE = 0.2
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """Which parts a process makes.

    Attributes:
        rank: number of the process, from 0.
        size: how many processes there are.
        only: whether it keeps to its own parts; else it helps the others when those are done.
    """

    rank: int = 0
    size: int = 1
    only: bool = False

    def __post_init__(self) -> None:
        """Refuse a share that cannot be.

        Raises:
            ValueError: if the rank is not below the size.
        """
        if not 0 <= self.rank < self.size:
            raise ValueError(
                f"expected a share from 0/{self.size} to {self.size - 1}/{self.size}, got "
                f"{self.rank}/{self.size}"
            )

    def owns(self, index: int) -> bool:
        """Tell whether a part is this process's own, as every `size`-th is."""
        return index % self.size == self.rank

    def order(self, indices: Sequence[int]) -> list[int]:
        """Say in which order parts are made.

        Args:
            indices: numbers of the parts to make, ascending.

        Returns:
            Its own parts; then, unless it keeps to them, those of others from the far end, where
            their owners come last.
        """
        own = [index for index in indices if self.owns(index)]
        return own if self.only else own + [i for i in reversed(indices) if not self.owns(i)]


ALONE = Share()


@dataclass(frozen=True)
class Claim:
    """A part that a process is at.

    Attributes:
        part: number of the part.
        worker: name of the process.
        since: when it began [Unix time].
        touched: when it last showed that it is alive [Unix time].
    """

    part: int
    worker: str
    since: float
    touched: float


@dataclass(frozen=True)
class Note:
    """What a process writes into its claim."""

    __pydantic_config__ = CLOSED

    worker: str = "?"
    since: float | None = None


def share_out(folder: Path, missing: Sequence[int], share: Share) -> Iterator[int]:
    """Hand out parts to make until all of this process's share are there, whoever made them.

    Args:
        folder: the run's folder.
        missing: numbers of the parts that are missing, ascending.
        share: which of them this process makes.

    Yields:
        Numbers of parts that this process has claimed; each is to be written before the next.
    """
    left = share.order(missing)
    watch = _Watch()
    while left:
        taken = list(left)
        # Over a copy, as parts leave `left` within the loop.
        for index in taken:
            if Part(index, index, folder).is_present():
                left.remove(index)
            elif _claim(folder, index, watch):
                with _kept_alive(folder, index):
                    # It may have been finished between the two questions.
                    if not Part(index, index, folder).is_present():
                        yield index
                left.remove(index)
        # A whole round without a part made or found: everything left is in other hands.
        if left == taken:
            logger.info("waiting for others, who are at %d parts", len(left))
            time.sleep(PAUSE)


def list_claims(folder: Path) -> list[Claim]:
    """List, in order, the parts of a run that somebody is at, or was when lost."""
    paths = sorted((folder / PARTS).glob(f"part-*{CLAIM}"))
    return [claim for claim in map(_read_claim, paths) if claim is not None]


def drop_claims(folder: Path) -> None:
    """Delete all claims of a run that is done."""
    for path in (folder / PARTS).glob(f"part-*{CLAIM}"):
        path.unlink(missing_ok=True)


@dataclass
class _Watch:
    """Remembers since when a claim has not changed: by one's own clock, as others' may be wrong."""

    seen: dict[Path, tuple[float, float]] = field(default_factory=dict)

    def is_void(self, path: Path, claim: Claim) -> bool:
        now = time.monotonic()
        # The first look only starts the clock: a claim is never void at once by its age.
        touched, since = self.seen.setdefault(path, (claim.touched, now))
        if touched != claim.touched:
            self.seen[path] = claim.touched, now
            return False
        return is_gone(claim.worker) or now - since > PATIENCE


def _claim(folder: Path, index: int, watch: _Watch) -> bool:
    path = _claim_path(folder, index)
    note = json.dumps({"worker": worker_name(), "since": time.time()})
    try:
        # "x" fails where the file exists, in one step: only one process gets through.
        with path.open("x") as file:
            file.write(note)
    except FileExistsError:
        claim = _read_claim(path)
        if claim is not None and watch.is_void(path, claim):
            logger.warning("%s was lost at part %d, which is done again", claim.worker, index)
            path.unlink(missing_ok=True)
            # Claimed like any other, because a third process may be doing the same.
            return _claim(folder, index, watch)
        return False
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(explain(error, path)) from error
    return True


@contextmanager
def _kept_alive(folder: Path, index: int) -> Iterator[None]:
    path = _claim_path(folder, index)
    done = threading.Event()

    def beat() -> None:
        # wait and not sleep, so that the end of the part ends the thread at once.
        while not done.wait(BEAT):
            try:
                os.utime(path)
            except OSError:
                return  # another process thinks that this one was lost; both will do the part

    # A daemon, so that it cannot keep a process alive that wants to end.
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        path.unlink(missing_ok=True)


def _claim_path(folder: Path, index: int) -> Path:
    return folder / PARTS / f"part-{index:05d}{CLAIM}"


def _read_claim(path: Path) -> Claim | None:
    """Read a claim; None if it is gone by now."""
    try:
        # The time first: if the file is touched in between, it only looks older than it is.
        touched = path.stat().st_mtime
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        note = parse_saved(Note, text, str(path), "wait until its process has ended")
    except ValueError:
        note = Note()  # its process was lost before it could write a word, or is about to
    index = int(path.name.removeprefix("part-").removesuffix(CLAIM))
    return Claim(index, note.worker, touched if note.since is None else note.since, touched)
