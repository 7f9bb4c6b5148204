import os
import socket
import subprocess
import sys

import pytest

from labels.outcomes.parts import PARTS, prepare_folder
from m3_backbone.files import (
    is_gone,
    leftover_path,
    sweep,
    worker_name,
    write_atomically,
    write_folder,
)


@pytest.fixture(scope="module")
def lost_worker():
    """The name of a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{socket.gethostname()}-{process.pid}"


def fail(handle):
    raise OSError(28, "No space left on device")


def test_who_is_gone(lost_worker):
    assert is_gone(lost_worker)
    assert is_gone(worker_name())  # whoever had this id before
    assert not is_gone(f"{socket.gethostname()}-{os.getppid()}")
    assert not is_gone("another-host-1")
    assert not is_gone("?")


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"cannot write .*file\.json: No space left on device; what"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_of_a_folder_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"cannot write .*folder: No space left on device; what"):
        write_folder(tmp_path / "folder", {"a": b"1", "b": b"2"})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_stays(tmp_path):
    write_folder(tmp_path / "folder", {"a": b"first"})
    write_folder(tmp_path / "folder", {"a": b"second"})
    assert (tmp_path / "folder" / "a").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


def test_prepare_sweeps_what_lost_processes_left(tmp_path, lost_worker):
    running = f"{socket.gethostname()}-{os.getppid()}"
    prepare_folder(tmp_path)
    lost = tmp_path / f"manifest.json.{lost_worker}.tmp"
    folder = tmp_path / PARTS / f"part-00008.{lost_worker}.tmp"
    old, kept = tmp_path / "manifest.json.host-7.tmp", tmp_path / f"manifest.json.{running}.tmp"
    folder.mkdir()
    for path in (lost, folder / "part-00008.npz", old, kept):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    prepare_folder(tmp_path)
    assert [path.exists() for path in (lost, folder, old, kept)] == [False, False, False, True]
    sweep(tmp_path, everything=True)
    assert not kept.exists()


def test_leftovers_of_two_processes_do_not_meet(tmp_path):
    assert worker_name() in leftover_path(tmp_path / "file").name
