"""Runs one call, inside this process or in one of its own, and says what became of it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from scripts.fuzzing.calls import Call
from scripts.fuzzing.world import Tree, World, read_entry, read_tree

Verdict = Literal["accepted", "refused", "long refusal", "traceback", "crash", "hang", "lost files"]
FAULTS: tuple[Verdict, ...] = ("traceback", "crash", "hang", "lost files")
PATIENCE = 60.0
"""A call that takes longer hangs [seconds]."""


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Attributes:
        verdict: in one word.
        detail: the last line of what it said, or what was lost.
    """

    verdict: Verdict
    detail: str


# Not an Exception, so that no handler of a command swallows it.
class _Hang(BaseException):
    pass


def run_call(call: Call, world: World, own_process: bool) -> Outcome:
    """Run a call in the user's home, compare the home afterwards, and put it back.

    Args:
        call: the call.
        world: the home.
        own_process: whether as a real process, which may crash, or inside this one.

    Returns:
        What became of it.
    """
    before = dict(world.tree)
    for name, content in call.files.items():
        (world.home / name).parent.mkdir(parents=True, exist_ok=True)
        (world.home / name).write_bytes(content)
        before[name] = read_entry(world.home / name)
    outcome = _run(call, world, own_process)
    after = read_tree(world.home)
    lost = find_lost(before, after, call, outcome.verdict)
    if after != before or call.files:
        world.restore(after)
    return Outcome("lost files", f"{lost} ({outcome.detail})") if lost else outcome


def find_lost(before: Tree, after: Tree, call: Call, verdict: Verdict) -> list[str]:
    """Tell which entries a call should not have touched.

    Args:
        before: the home before.
        after: the home afterwards.
        call: the call, which says what it may write.
        verdict: what became of it: what was refused may have written nothing.

    Returns:
        Paths that are gone, changed, or new and hidden.
    """
    # What is refused, or fails, must have written nothing, not even where it was allowed to.
    allowed = call.out if verdict == "accepted" else ()
    changed = [name for name, entry in before.items() if after.get(name) != entry]
    fresh = [name for name in after if name not in before and Path(name).name.startswith(".")]
    return [name for name in changed + fresh if not _is_below(name, allowed)]


def _is_below(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _run(call: Call, world: World, own_process: bool) -> Outcome:
    if call.work is not None:
        return _run_work(call.work, call.refusals, world)
    return _run_process(call, world) if own_process else _run_inside(call, world)


def _run_work(
    work: Callable[[Path], object], refusals: tuple[type[Exception], ...], world: World
) -> Outcome:
    with _inside(world.home), _time_limit():
        try:
            work(world.home)
        except _Hang:
            return Outcome("hang", "")
        except refusals as error:
            return Outcome("refused", str(error)[:200])
        except Exception as error:
            # Any other is what this looks for.
            return Outcome("traceback", f"{type(error).__name__}: {error}"[:200])
    return Outcome("accepted", "")


def _run_inside(call: Call, world: World) -> Outcome:
    from click.testing import CliRunner

    from scripts.cli import main

    with _inside(world.home), _time_limit():
        try:
            result = CliRunner().invoke(main, list(call.arguments))
        except _Hang:
            return Outcome("hang", "")
    error = result.exception
    if isinstance(error, _Hang):
        return Outcome("hang", "")
    if error is not None and not isinstance(error, SystemExit):
        return Outcome("traceback", f"{type(error).__name__}: {error}"[:200])
    return _judge(result.exit_code, result.stderr)


def _as_argument(word: str) -> bytes:
    # No process can be given a NUL, nor half a character that stands for no byte.
    kept = re.sub("[\x00\ud800-\udc7f\udd00-\udfff]", "", word)
    return kept.encode("utf-8", "surrogateescape")


def _run_process(call: Call, world: World) -> Outcome:
    command = [sys.executable, "-m", "scripts.cli", *call.arguments]
    # The call runs in the home, from where this code is not found.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    try:
        done = subprocess.run(
            [_as_argument(word) for word in command],
            cwd=world.home,
            env=environment,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome("hang", "")
    said = done.stderr.decode(errors="replace")
    # Negative: killed by a signal. Shells say 128 + signal; 130 is Ctrl-C.
    if done.returncode < 0 or done.returncode > 130:
        return Outcome("crash", f"exit {done.returncode}: {said[-200:]}")
    if "Traceback (most recent call last)" in said:
        return Outcome("traceback", said.strip().splitlines()[-1][:200])
    return _judge(done.returncode, said)


def _judge(code: int, said: str) -> Outcome:
    # A progress bar overwrites its own line.
    lines = [line for line in re.split(r"[\n\r]", said) if line.strip() and "%|" not in line]
    last = lines[-1][:200] if lines else ""
    if code == 0:
        return Outcome("accepted", last)
    return Outcome("refused" if code == 2 and len(lines) == 1 else "long refusal", last)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)


@contextmanager
def _time_limit() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _Hang

    # Python rings between two bytecodes: code in C that never returns hangs this process too.
    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        # The timer first: an alarm under the old handler would end the process.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
