"""Processes that label into one folder: who makes what, and who is kept out."""

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labels.labelling.run import label
from labels.labelling.sharing import Share, hold
from labels.labelling.status import read_status
from labels.outcomes.manifest import read_manifest
from labels.outcomes.parts import list_parts

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests" / "labels" / "conftest.py"
HOLD = "import sys; from pathlib import Path; from labels.labelling.sharing import *\n"
HOLD += "with hold(Path(sys.argv[1]), Share(0, int(sys.argv[2]))): print(flush=True); input()"

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


def test_shares_take_each_part_once():
    taken = [Share(rank, 3).take([0, 1, 2, 4, 5, 7]) for rank in range(3)]
    assert taken == [[0], [1, 4, 7], [2, 5]]


def test_two_shares_make_one_table(tmp_path, undisturbed, toy):
    folder, counts = tmp_path / "run", []
    for rank in (1, 0):
        answerer = toy.Answerer()
        label(toy.make_questions(), answerer, folder, toy.small, False, Share(rank, 2))
        counts.append(answerer.n_encoded)
        assert read_manifest(folder).finished == (rank == 0)
    assert counts == [2, 3]  # parts of two, two and one images
    toy.check_same(folder, undisturbed)


@pytest.fixture
def start_holder(tmp_path):
    """A function that starts a process which holds a folder as one of so many shares."""
    started = []

    def start(size):
        command = [sys.executable, "-c", HOLD, str(tmp_path / "run"), str(size)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen(command, env=environment, **pipes))
        assert started[0].stdout.readline() == b"\n"
        return started[0]

    yield start
    started[0].kill()
    started[0].communicate()


REFUSAL = "another process labels into .*run: wait for it, or share the work by --workers N"


def test_a_folder_that_another_process_labels_into_is_refused_until_that_is_killed(
    start_holder, tmp_path
):
    other, folder = start_holder(1), tmp_path / "run"
    for share in (Share(), Share(1, 2)):
        with pytest.raises(ValueError, match=REFUSAL), hold(folder, share):
            pass
    other.kill()
    other.wait()
    with hold(folder):
        pass


def test_shares_do_not_exclude_each_other_but_all_of_the_run(start_holder, tmp_path):
    start_holder(2)
    with hold(tmp_path / "run", Share(1, 2)):
        pass
    with pytest.raises(ValueError, match=REFUSAL), hold(tmp_path / "run"):
        pass


def test_without_locks_the_folder_is_not_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with hold(tmp_path):
        pass


def test_folders_that_stay_empty_are_not_left_behind(tmp_path):
    with hold(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    with hold(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
    with hold(tmp_path / "c" / "d"):
        (tmp_path / "c" / "d" / "file").touch()
    assert (tmp_path / "c" / "d" / "file").exists()


def torchrun(folder, delay, restarts):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--max-restarts", str(restarts), "--monitor-interval=0.1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, str(PROGRAM), str(folder), str(delay)], env=environment)


def list_workers(agent):
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text()
    return list(map(int, children.split()))


def test_torchrun_survives_kills_and_ends_with_the_same_table(tmp_path, toy):
    questions = toy.make_questions(toy.n_slow_images)
    expected = toy.read_all(label(questions, toy.Answerer(), tmp_path / "whole", toy.small, False))
    folder, draw = tmp_path / "run", random.Random(0)
    agent = torchrun(folder, 0.02, restarts=2)
    for n_parts in (3, 12):
        while len(list_parts(folder)) < n_parts:
            assert agent.poll() is None
            time.sleep(0.01)
        os.kill(draw.choice(list_workers(agent)), signal.SIGKILL)
    assert agent.wait() == 0
    toy.check_same(folder, expected)
    workers = read_status(folder)["workers"]
    assert len(workers) > 2
    assert sum(worker["questions"] for worker in workers) == len(questions)
