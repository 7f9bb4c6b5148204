"""Folders on a file system that exchanges none, such as NFS: a real process is really killed."""

import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys

import pytest

from labels.outcomes.manifest import Manifest, read_manifest, write_manifest
from m3_backbone.exchange import ASIDE
from m3_backbone.files import check_output, recover, replacing, write_atomically, write_files
from predictor.bundle.folder import read_checked
from predictor.report.folder import read_results

KILLED = """
import ctypes, errno, os, signal, sys
from pathlib import Path
from m3_backbone.files import replacing

class System:
    @staticmethod
    def renameat2(*arguments):
        ctypes.set_errno(errno.EINVAL)
        return -1

def rename(old, new, real=os.replace):
    real(old, new)
    os.kill(os.getpid(), signal.SIGKILL)

ctypes.CDLL = lambda *_, **__: System
os.replace = rename
with replacing(Path(sys.argv[1]), lambda folder: {"ours"}) as fresh:
    fresh.mkdir()
    (fresh / "ours").write_text("new")
"""
NEW = {"ours": "new", "notes.txt": "mine", "deep/notes.txt": "mine"}


def fill(folder):
    (folder / "deep").mkdir(parents=True)
    (folder / "ours").write_text("old")
    for name in ("notes.txt", "deep/notes.txt"):
        (folder / name).write_text("mine")
    return folder


def kill_between_the_steps(folder):
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not folder.exists()


def read(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    place = tmp_path_factory.mktemp("killed")
    kill_between_the_steps(fill(place / "folder"))
    return place


@pytest.fixture
def target(tmp_path, killed):
    """A folder out of its place."""
    shutil.copytree(killed, tmp_path / "copy")
    return tmp_path / "copy" / "folder"


@pytest.fixture
def no_exchange(monkeypatch):
    class System:
        @staticmethod
        def renameat2(*_):
            ctypes.set_errno(errno.EINVAL)
            return -1

    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: System)


def replace(target):
    with replacing(target, lambda folder: {"ours"}) as fresh:
        write_files(fresh, {"ours": b"new"})


@pytest.mark.parametrize(
    "call",
    [
        recover,
        lambda target: check_output(target, owned=lambda folder: {"ours"}),
        replace,
        lambda target: write_atomically(target.with_name("other"), b""),
    ],
    ids=["recover", "check", "replace", "write"],
)
def test_the_next_call_puts_the_folder_in_its_place(target, call):
    call(target)
    assert read(target) == NEW
    assert not list(target.parent.glob(".*"))


@pytest.mark.usefixtures("no_exchange")
def test_a_folder_is_replaced_in_two_steps(tmp_path):
    target = fill(tmp_path / "folder")
    for _ in range(2):
        replace(target)
        assert read(target) == NEW
        assert list(tmp_path.iterdir()) == [target]


def test_readers_find_a_folder_that_was_out_of_its_place(tmp_path):
    run, report, router = (tmp_path / name / "folder" for name in ("run", "report", "router"))
    manifest = Manifest("here", {"scales": [1]}, 1, 1, 1)
    fill(run)
    write_manifest(run, manifest)
    fill(report)
    (report / "results.json").write_text('{"headline": {"ogc_72": 0.5}}')
    fill(router)
    (router / "config.json").write_text("{}")
    for folder in (run, report, router):
        kill_between_the_steps(folder)
    assert read_manifest(run) == manifest
    assert read_results(report)["headline"]["ogc_72"] == 0.5
    with pytest.raises(ValueError, match="not the configuration of a saved router"):  # it is found
        read_checked(router, [(1, 1)])


def test_what_cannot_be_put_in_its_place_is_told_in_one_line(target, monkeypatch):
    def fail(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="whole, in .*, and cannot be put .*: Read-only file"):
            read_manifest(target)
    recover(target)
    assert read(target) == NEW


def test_what_another_put_in_its_place_stays_and_so_do_old_and_new(target):
    fill(target)
    write_atomically(target.with_name("other"), b"")
    assert read(target)["ours"] == "old"
    [stage] = target.parent.glob(".*")
    assert read(stage / "new") == NEW
    assert read(stage / ASIDE)["notes.txt"] == "mine"


@pytest.mark.usefixtures("no_exchange")
def test_a_reader_may_take_the_second_step(tmp_path, monkeypatch):
    target, real = fill(tmp_path / "folder"), os.replace

    def interrupted(old, new):
        monkeypatch.setattr(os, "replace", real)
        real(old, new)
        recover(target)

    monkeypatch.setattr(os, "replace", interrupted)
    replace(target)
    assert read(target) == NEW
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("no_exchange")
def test_where_no_step_back_is_possible_both_stay(tmp_path, monkeypatch):
    target, real, left = fill(tmp_path / "folder"), os.replace, [1]

    def rename(old, new):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", rename)
        with pytest.raises(OSError, match="cannot write .*folder: Input/output error"):
            replace(target)
    assert not target.exists()
    recover(target)
    assert read(target) == NEW


def test_other_errors_leave_the_old_folder(tmp_path, monkeypatch):
    target = fill(tmp_path / "folder")
    monkeypatch.setattr("m3_backbone.exchange._exchange_at_once", lambda *_: errno.ENOSPC)
    with pytest.raises(OSError, match="cannot write .*folder: No space left on device"):
        replace(target)
    assert read(target)["ours"] == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("no_exchange")
def test_systems_without_such_a_call_take_two_steps(tmp_path, monkeypatch):
    target = fill(tmp_path / "folder")
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    replace(target)
    assert read(target) == NEW
