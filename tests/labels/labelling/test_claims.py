"""Processes that label into one folder: who makes what, and what becomes of those that are lost."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from labels.labelling import claims
from labels.labelling.claims import Share, list_claims, share_out
from labels.labelling.run import label
from labels.labelling.status import read_status
from labels.outcomes.compact import compact
from labels.outcomes.manifest import read_manifest
from labels.outcomes.parts import TABLE, Part, list_parts
from labels.outcomes.table import read_table

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests" / "labels" / "conftest.py"

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


def put_claim(folder, index, worker):
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    path = folder / "parts" / f"part-{index:05d}.claim"
    path.write_text(json.dumps({"worker": worker, "since": 1.0}))
    return path


def test_own_parts_come_first_and_then_those_of_others_from_the_far_end():
    assert Share(1, 3).order([0, 1, 2, 4, 5, 7]) == [1, 4, 7, 5, 2, 0]
    assert Share(1, 3, only=True).order([0, 1, 2, 4, 5, 7]) == [1, 4, 7]


@pytest.mark.parametrize(("rank", "size"), [(2, 2), (-1, 2), (0, 0)])
def test_impossible_share_is_refused(rank, size):
    with pytest.raises(ValueError, match=f"expected a share from 0/{size} .*got {rank}/{size}"):
        Share(rank, size)


def test_two_shares_make_one_table(tmp_path, undisturbed, toy):
    folder, counts = tmp_path / "run", []
    for rank in (1, 0):
        answerer = toy.Answerer()
        share = Share(rank, 2, only=True)
        label(toy.make_questions(), answerer, folder, toy.small, progress=False, share=share)
        counts.append(answerer.n_encoded)
        assert read_manifest(folder).finished == (rank == 0)
    assert counts == [2, 3]  # parts of two, two and one images
    toy.check_same(folder, undisturbed)


def test_two_at_once_share_the_work_and_do_nothing_twice(tmp_path, undisturbed, toy):
    folder, answerers = tmp_path / "run", [toy.Answerer(0.05), toy.Answerer(0.05)]
    barrier = threading.Barrier(2)

    def work(rank):
        barrier.wait()
        for index in share_out(folder, range(6), Share(rank, 2)):
            answerers[rank].n_encoded += 1
            time.sleep(0.02)
            Part(index, index, folder).place.mkdir()
            for suffix in (".npz", ".json", TABLE):
                Part(index, index, folder).file(suffix).touch()

    (folder / "parts").mkdir(parents=True)
    threads = [threading.Thread(target=work, args=(rank,)) for rank in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "is_gone", lambda worker: False)  # they have one process id
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(answerer.n_encoded for answerer in answerers) == 6
    assert not list_claims(folder)


def test_claim_of_a_lost_process_is_void_at_once_here_and_in_time_elsewhere(
    tmp_path, monkeypatch, undisturbed, toy
):
    monkeypatch.setattr(claims, "PATIENCE", 0.3)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    folder = tmp_path / "run"
    put_claim(folder, 0, f"{socket.gethostname()}-{process.pid}")
    put_claim(folder, 2, "another-host-1")
    (folder / "parts" / "part-00001.claim").touch()  # lost before it could write its name
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, undisturbed)
    assert not list_claims(folder)


def test_claim_that_is_touched_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "PATIENCE", 0.2)
    path = put_claim(tmp_path, 0, "another-host-1")
    taken, done = [], threading.Event()
    waiter = threading.Thread(target=lambda: taken.extend(share_out(tmp_path, [0], Share())))
    waiter.start()
    for moment in range(10):
        os.utime(path, (moment, moment))  # a clock that is far off, but goes on
        time.sleep(0.1)
    assert not taken
    done.set()
    waiter.join()  # nobody touches it now
    assert taken == [0]


def test_own_claim_is_touched_while_the_work_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    (tmp_path / "parts").mkdir()
    for _ in share_out(tmp_path, [0], Share()):
        (claim,) = list_claims(tmp_path)
        os.utime(tmp_path / "parts" / "part-00000.claim", (1, 1))
        deadline = time.monotonic() + 10
        while list_claims(tmp_path)[0].touched == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list_claims(tmp_path)[0].touched >= claim.since - 1


def test_status_says_what_is_done_by_whom_and_what_is_left(tmp_path, monkeypatch, toy):
    monkeypatch.setattr(claims, "PATIENCE", 0.3)
    folder = tmp_path / "run"
    share = Share(0, 2, only=True)
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False, share=share)
    put_claim(folder, 1, "another-host-1")
    status = read_status(folder)
    assert (status["finished"], status["missing"]) == (False, [1])
    assert status["parts"] == {"done": 2, "all": 3}
    assert status["images"] == {"done": 3, "all": 5}
    assert status["questions"] == {"done": 9, "all": 15}
    other, me = status["workers"]
    assert (other["worker"], other["parts"], other["at"]) == ("another-host-1", 0, 1)
    assert (me["worker"], me["parts"], me["images"]) == (claims.worker_name(), 2, 3)
    assert me["speed"] > 0
    assert status["seconds_left"] is None  # nobody knows how fast the other one is
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, False, Share(1, 2, only=False))
    done = read_status(folder)
    assert (done["finished"], done["seconds_left"], done["missing"]) == (True, 0, [])


def test_compacted_run_says_the_same_and_is_left_as_it_is(tmp_path, undisturbed, toy):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    assert compact(folder) == (3, 1)
    assert [path.name for path in (folder / "parts").iterdir()] == ["part-00000-00002"]
    assert compact(folder) == (1, 1)
    assert read_table(folder).drop(columns="wall_ms").equals(undisturbed[0])
    assert read_status(folder)["workers"][0]["parts"] == 3
    answerer = toy.Answerer()
    label(toy.make_questions(), answerer, folder, toy.small, progress=False)
    assert answerer.n_encoded == 0
    # What was lost of it is made again, part by part.
    list_parts(folder)[0].file(TABLE).unlink()
    label(toy.make_questions(), answerer, folder, toy.small, progress=False)
    assert answerer.n_encoded == 5
    assert read_table(folder).drop(columns="wall_ms").equals(undisturbed[0])


def test_compaction_killed_at_any_write_leaves_the_run_whole(tmp_path, undisturbed, toy):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    for name in ("write_part", "check_part", "drop_joined"):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"labels.outcomes.compact.{name}", interrupt)
            compact(folder)
        assert read_table(folder).drop(columns="wall_ms").equals(undisturbed[0])
    assert compact(folder) == (1, 1)
    assert len(list((folder / "parts").iterdir())) == 1


def interrupt(*_):
    raise KeyboardInterrupt


def test_small_files_are_wanted_small(tmp_path, toy):
    folder = label(toy.make_questions(), toy.Answerer(), tmp_path / "run", toy.small, False)
    assert compact(folder, largest=1) == (3, 3)
    sizes = [part.file(s).stat().st_size for part in list_parts(folder) for s in (".npz", TABLE)]
    assert compact(folder, largest=sum(sizes[:4])) == (3, 2)


def test_unfinished_run_is_not_compacted(tmp_path, toy):
    share = Share(0, 2, only=True)
    label(toy.make_questions(), toy.Answerer(), tmp_path, toy.small, progress=False, share=share)
    with pytest.raises(ValueError, match="is not finished; run m3scale label again before it is"):
        compact(tmp_path)


def torchrun(folder, delay, restarts):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--max-restarts", str(restarts), "--monitor-interval=0.1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, str(PROGRAM), str(folder), str(delay)], env=environment)


def test_torchrun_survives_kills_and_ends_with_the_same_table(tmp_path, toy):
    questions = toy.make_questions(toy.n_slow_images)
    expected = toy.read_all(label(questions, toy.Answerer(), tmp_path / "whole", toy.small, False))
    folder, random_ = tmp_path / "run", random.Random(0)
    agent = torchrun(folder, 0.02, restarts=2)
    for n_parts in (3, 12):
        while len(list_parts(folder)) < n_parts:
            assert agent.poll() is None
            time.sleep(0.01)
        claim = random_.choice(wait_for_claims(folder))
        os.kill(int(claim.worker.rpartition("-")[2]), signal.SIGKILL)
    assert agent.wait() == 0
    toy.check_same(folder, expected)
    workers = read_status(folder)["workers"]
    assert len(workers) > 2
    assert sum(worker["questions"] for worker in workers) == len(questions)


def wait_for_claims(folder):
    while not (held := [claim for claim in list_claims(folder) if claim.worker != "?"]):
        time.sleep(0.001)
    return held
