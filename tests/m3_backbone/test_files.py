import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labels.outcomes.parts import PARTS, prepare_folder
from m3_backbone.files import (
    is_gone,
    json_ready,
    leftover_path,
    replacing,
    sweep,
    worker_name,
    write_atomically,
    write_files,
    write_folder,
    write_json,
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


def test_json_ready_makes_strict_json():
    value = {1: np.float32(0.5), "a": [np.int64(3), float("nan")], "b": (float("inf"), None, "x")}
    assert json_ready(value) == {"1": 0.5, "a": [3, None], "b": [None, None, "x"]}


def test_write_json_leaves_only_the_file(tmp_path):
    path = write_json(tmp_path / "new" / "x.json", {"a": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]


def test_write_json_keeps_the_old_file_when_it_fails(tmp_path):
    path = write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}


def test_json_ready_rounds_to_digits():
    value = {1: np.float64(1 / 3), "b": np.array([1, 2]), "c": (np.nan, np.int64(4), None, "d")}
    assert json_ready(value, digits=7) == {"1": 0.3333333, "b": [1, 2], "c": [None, 4, None, "d"]}


def test_a_folder_takes_the_place_of_the_old_one_at_the_end(tmp_path):
    target = tmp_path / "folder"
    write_folder(target, {"a": b"old"})
    with replacing(target, over_folder=True) as fresh:
        write_files(fresh, {"b": b"new"})
        assert (target / "a").read_bytes() == b"old"
    assert [path.name for path in target.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_holds_something_is_not_replaced_unasked(tmp_path):
    target = tmp_path / "folder"
    write_folder(target, {"a": b"old"})
    with pytest.raises(OSError, match="cannot write .*folder"), replacing(target) as fresh:
        write_files(fresh, {"b": b"new"})
    assert (target / "a").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_nothing_is_left_of_what_was_given_up(tmp_path, error):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(type(error)), replacing(target) as fresh:
        fresh.write_bytes(b"new")
        raise error
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_take_its_place_gives_it_back(tmp_path, monkeypatch):
    target, replace = tmp_path / "folder", os.replace
    write_folder(target, {"a": b"old"})

    def refuse(source, place):
        if (Path(source) / "b").exists():
            raise OSError(5, "Input/output error")
        replace(source, place)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        with replacing(target, over_folder=True) as fresh:
            write_files(fresh, {"b": b"new"})
    assert (target / "a").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_else_is_in_the_folder_is_left_alone(tmp_path, monkeypatch):
    for index in range(3):
        (tmp_path / f"other{index}").write_bytes(b"")
    opened, real = [], os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest: opened.append(str(path)) or real(path, *rest)
    )
    write_folder(tmp_path / "folder", {"a": b"1"})
    write_atomically(tmp_path / "file", b"2")
    assert not [path for path in opened if "other" in path]
