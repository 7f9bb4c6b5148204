"""Kill commands that write, and break their writes: `python -m scripts.fuzzing.kills`.

Afterwards the old artefact or the new one must be there, whole; the next run must succeed, and
nothing else may be left.
"""

import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from m3_backbone.files import write_json
from scripts.fuzzing.counts import describe_commit
from scripts.fuzzing.faults import Fault, Kind, Run, begin_counting, fork_run, load_faults
from scripts.fuzzing.jobs import JOBS, Job, be_repeatable, build_base, start_job
from scripts.fuzzing.world import Tree, read_tree
from scripts.terminal.output import print_table

KINDS: tuple[Kind, ...] = ("kill", "EIO", "ENOSPC")
MODULE = "scripts.fuzzing.kills"


@dataclass(frozen=True)
class Known:
    """What a job does when nothing goes wrong.

    Attributes:
        old: its folder before.
        new: its folder afterwards.
        run: how it ended.
    """

    old: Tree
    new: Tree
    run: Run


@dataclass(frozen=True)
class Finding:
    """What became of one disturbed run.

    Attributes:
        command: the command.
        fault: what was done to it.
        result: what was there afterwards: `old`, `new` or, until the next run, `unfinished`.
        problem: what went wrong; empty if nothing did.
    """

    command: str
    fault: Fault
    result: str
    problem: str


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(JOBS)), help="A command; repeatable.")
@click.option(
    "--moments", default=50, show_default=True, type=click.IntRange(0), help="Kills by time, each."
)
@click.option(
    "--writes",
    type=click.IntRange(0),
    help="Most writes that are broken of each command, evenly spread.  [default: all]",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the moments.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Counts and problems.")
def main(
    only: tuple[str, ...],
    moments: int,
    writes: int | None,
    seed: int,
    workers: int,
    json_file: Path | None,
) -> None:
    """Count what killed and starved commands leave; exit with 1 if anything was lost.

    Example: python -m scripts.fuzzing.kills --moments 50 --seed 1 --json kills.json
    """
    with tempfile.TemporaryDirectory() as folder:
        load_faults(MODULE, Path(folder))
        _import_all()
        head = {"commit": describe_commit(), "seed": seed, "moments": moments}
        findings: list[Finding] = []
        plan = moments, writes, seed
        for found in disturb(Path(folder), list(only or JOBS), plan, workers):
            findings += found
            if json_file:  # after each command, so that what is done is not lost
                problems = [str(one) for one in findings if one.problem]
                write_json(json_file, {**head, "kills": _count(findings), "problems": problems})
    columns = ["", "fault", "runs", "old", "new", "unfinished", "problems"]
    print_table(columns, _count(findings))
    faulty = [one for one in findings if one.problem]
    for one in faulty[:50]:
        click.echo(f"{one.command} {one.fault}: {one.problem}")
    if faulty:
        raise SystemExit(1)


def _import_all() -> None:
    """Import what the commands import when they are run, so that no child has to."""
    import sklearn.linear_model  # noqa: F401

    import labels.labelling.run  # noqa: F401
    import predictor.adaptive  # noqa: F401
    import predictor.evaluation.experiment  # noqa: F401
    import predictor.report.report  # noqa: F401
    import predictor.training.train  # noqa: F401
    import scripts.finetuning.recipes  # noqa: F401
    import scripts.stages.label  # noqa: F401
    import scripts.stages.profile  # noqa: F401
    import scripts.stages.report  # noqa: F401


def disturb(
    folder: Path, commands: list[str], plan: tuple[int, int | None, int], workers: int
) -> Iterator[list[Finding]]:
    """Run commands and disturb each at many moments.

    Args:
        folder: an empty folder.
        commands: names of jobs.
        plan: kills by time, most writes that are broken, seed.
        workers: processes.

    Yields:
        What became of each run of a command; the commands in their order.
    """
    base = folder / "base"
    base.mkdir()
    build_base(base, commands)
    context = multiprocessing.get_context("fork")
    with context.Pool(workers, initializer=begin_counting) as pool:
        for name in commands:
            known = _know(JOBS[name], base, folder / name)
            tasks = [(folder, name, known, fault) for fault in plan_faults(known.run, *plan)]
            begun = time.monotonic()
            yield list(pool.imap(_try_fault, tasks))
            spent = time.monotonic() - begun
            click.echo(f"{name}: {len(tasks)} runs, {spent:.0f} s, {known.run.writes} writes")


def plan_faults(run: Run, moments: int, writes: int | None, seed: int) -> Iterator[Fault]:
    """Choose when a command is disturbed.

    Args:
        run: the command undisturbed.
        moments: kills by time.
        writes: most writes that are broken in each way; None for all.
        seed: seed of the times.

    Yields:
        Kills at random times, and each kind of fault at each write or at evenly spread ones.
    """
    draw = random.Random(seed)
    for _ in range(moments):
        yield Fault("kill", seconds=draw.uniform(0, run.seconds))
    count = run.writes if writes is None else min(writes, run.writes)
    for kind in KINDS:
        for index in range(count):
            # From the first write to the last one.
            yield Fault(kind, 1 + index * (run.writes - 1) // max(count - 1, 1))


def _know(job: Job, base: Path, folder: Path) -> Known:
    """Run a job twice and see that it is repeatable.

    Raises:
        RuntimeError: if it fails, or writes something else the second time.
    """
    trees = []
    for _ in range(2):
        start_job(job, base, folder)
        old = read_tree(folder)
        run = fork_run(job.arguments.split(), folder, Fault(), be_repeatable)
        trees.append(read_tree(folder))
        if run.code != 0:
            raise RuntimeError(f"m3scale {job.arguments} failed: {run.said}")
    if not is_same(trees[0], trees[1], job):
        different = sorted(set(trees[0].items()) ^ set(trees[1].items()))
        raise RuntimeError(f"m3scale {job.arguments} is not repeatable: {different}")
    return Known(old, trees[1], run)


def _try_fault(task: tuple[Path, str, Known, Fault]) -> Finding:
    root, name, known, fault = task
    job = JOBS[name]
    folder = root / f"{name}-{os.getpid()}"
    start_job(job, root / "base", folder)
    run = fork_run(job.arguments.split(), folder, fault, be_repeatable)
    after = read_tree(folder)
    problem = find_problem(job, known, run, after)
    result = next((one for one in ("old", "new") if getattr(known, one) == after), "unfinished")
    if result == "unfinished" and not problem:
        again = fork_run(job.arguments.split(), folder, Fault(), be_repeatable)
        after = read_tree(folder)
        if again.code != 0:
            problem = f"the next run ends with {again.code}: {again.said[-300:]}"
        elif not is_same(known.new, after, job):
            problem = f"the next run leaves {_differ(known.new, after)}"
    return Finding(name, fault, result, problem)


def find_problem(job: Job, known: Known, run: Run, after: Tree) -> str:
    """Say what a disturbed run broke.

    Args:
        job: what was run.
        known: what it does otherwise.
        run: how it ended.
        after: its folder afterwards.

    Returns:
        The first promise that it broke; empty if it kept them all.
    """
    free = (*job.outputs, *job.unfinished)
    inputs = {name: entry for name, entry in known.old.items() if not _is_below(name, free)}
    lost = [name for name, entry in inputs.items() if after.get(name) != entry]
    if lost:
        return f"lost {lost}"
    for output in job.outputs:
        old, new, now = (_below(tree, output) for tree in (known.old, known.new, after))
        if not (is_same(old, now, job) or is_same(new, now, job)):
            return f"{output} is neither the old nor the new: {_differ(new, now)}"
    if run.code not in (0, 2, -9):
        return f"ends with {run.code}: {run.said[-300:]}"
    # Stages of a demo are announced, and bars drawn, before the refusal.
    if run.code == 2 and not (run.said.splitlines() or [""])[-1].startswith("Error: "):
        return f"no refusal in one line: {run.said[-300:]}"
    return ""


def is_same(first: Tree, second: Tree, job: Job) -> bool:
    """Tell whether two trees are equal, or have the same names where a job is not exact."""
    return first == second if job.exact else set(first) == set(second)


def _differ(first: Tree, second: Tree) -> list[str]:
    return sorted({name for name, _ in set(first.items()) ^ set(second.items())})[:8]


def _below(tree: Tree, place: str) -> Tree:
    return {name: entry for name, entry in tree.items() if _is_below(name, (place,))}


def _is_below(name: str, places: Iterable[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _count(findings: list[Finding]) -> list[list[Any]]:
    """Count findings by command and fault, in the order of the table."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in findings:
        fault = "kill by time" if one.fault.seconds is not None else f"{one.fault.kind} at a write"
        count = counts.setdefault((one.command, fault), Counter())
        count.update(["runs", one.result])
        count["problems"] += bool(one.problem)
    columns = ("runs", "old", "new", "unfinished", "problems")
    return [[*key, *(count[column] for column in columns)] for key, count in counts.items()]


if __name__ == "__main__":
    main()
