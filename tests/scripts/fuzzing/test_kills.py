"""Kills in small: what the harness tells apart, and some of it on a command that is quick."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.fuzzing.faults import Run
from scripts.fuzzing.jobs import JOBS, Clock, Job
from scripts.fuzzing.kills import Known, find_problem, plan_faults

ROOT = Path(__file__).parents[3]
needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"
)
JOB = Job("train", (), ("out",), ("half",))
OLD = {"notes": ("1", "x"), "out": ("d", ""), "out/a": ("1", "old")}
NEW = {"notes": ("1", "x"), "out": ("d", ""), "out/a": ("1", "new")}


def find(after, code=2, said="Error: cannot write out"):
    return find_problem(JOB, Known(OLD, NEW, Run(0, "", 9, 1.0)), Run(code, said, 9, 1.0), after)


def test_the_old_the_new_and_what_is_unfinished_are_no_problem():
    assert find(OLD) == find(NEW, code=0) == find({**OLD, "half/x": ("1", "z")}, code=-9) == ""


def test_what_is_lost_half_or_badly_refused_is_a_problem():
    lost = {name: entry for name, entry in OLD.items() if name != "notes"}
    assert find(lost) == "lost ['notes']"
    for half in ({**NEW, "out/b": ("1", "old")}, {"notes": OLD["notes"]}):
        assert "out is neither the old nor the new" in find(half)
    assert "ends with 1" in find(OLD, code=1)
    assert "ends with -14" in find(OLD, code=-14)
    assert "no refusal in one line" in find(OLD, said="Error: no\nmore")


def test_faults_are_spread_from_the_first_write_to_the_last():
    faults = list(plan_faults(Run(0, "", 101, 2.0), moments=5, writes=3, seed=0))
    times = [fault.seconds for fault in faults if fault.seconds is not None]
    assert len(times) == 5 and all(0 <= time <= 2 for time in times)
    assert [fault.write for fault in faults if fault.kind == "EIO"] == [1, 51, 101]
    every = list(plan_faults(Run(0, "", 7, 2.0), moments=0, writes=None, seed=0))
    assert [fault.write for fault in every if fault.kind == "kill"] == [1, 2, 3, 4, 5, 6, 7]


def test_times_do_not_depend_on_what_other_threads_do():
    clock = Clock()
    begun = clock()
    other = threading.Thread(target=clock)
    other.start()
    other.join()
    assert clock() - begun == -(clock() - clock()) == 1 / 1024


def disturb(folder, *options):
    command = [sys.executable, "-m", "scripts.fuzzing.kills", "--json", str(folder / "k.json")]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    content = json.loads((folder / "k.json").read_text())
    assert content["problems"] == []
    assert done.returncode == 0
    return content["kills"]


@needs_compiler
def test_a_new_checkpoint_is_whole_or_not_there(tmp_path):
    rows = disturb(tmp_path, "--only", "convert", "--moments", "2", "--writes", "4")
    assert [row[:3] for row in rows] == [
        ["convert", "kill by time", 2],
        ["convert", "kill at a write", 4],
        ["convert", "EIO at a write", 4],
        ["convert", "ENOSPC at a write", 4],
    ]
    # A kill before the first write changes nothing, one before the last leaves what is swept.
    assert rows[1][3] >= 1 and rows[1][5] >= 1


@needs_compiler
@pytest.mark.slow
def test_no_command_loses_anything(tmp_path):
    rows = disturb(tmp_path, "--moments", "50", "--writes", "50", "--workers", "2")
    assert {row[0] for row in rows} == set(JOBS)
