import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from labels.outcomes.parts import PARTS, prepare_folder
from m3_backbone.files import (
    _OPEN,
    _SWEPT,
    STAGE,
    check_output,
    recover,
    replacing,
    sweep,
    write_atomically,
    write_files,
    write_folder,
    write_json,
)
from m3_backbone.processes import is_gone, worker_name
from m3_backbone.serialization import sha256, to_json


@pytest.fixture(scope="module")
def lost_worker():
    """The name of a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return worker_name().replace(str(os.getpid()), str(process.pid))


def fail(*_):
    raise OSError(28, "No space left on device")


def test_who_is_gone(lost_worker):
    assert is_gone(lost_worker)
    assert is_gone(worker_name())  # whoever had this id before
    assert not is_gone(worker_name().replace(str(os.getpid()), str(os.getppid())))
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


def open_stage(folder, worker):
    """What a process leaves that is lost while it writes."""
    with replacing(folder / "file") as fresh:
        stage = fresh.parent
        shutil.copytree(stage, lost := folder / f".m3scale-{worker}-0{STAGE}")
    note = json.loads((lost / "note.json").read_bytes()) | {"worker": worker}
    del note["sha256"]
    (lost / "note.json").write_bytes(to_json({**note, "sha256": sha256(to_json(note))}))
    (lost / "new").write_bytes(b"half")
    return lost


def test_prepare_sweeps_what_lost_processes_left(tmp_path, lost_worker):
    running = worker_name().replace(str(os.getpid()), str(os.getppid()))
    prepare_folder(tmp_path)
    lost = [open_stage(place, lost_worker) for place in (tmp_path, tmp_path / PARTS)]
    old, kept = open_stage(tmp_path, "host-7"), open_stage(tmp_path, running)
    os.utime(old, (0, 0))
    prepare_folder(tmp_path)
    assert [path.exists() for path in (*lost, old, kept)] == [False, False, False, True]
    sweep(tmp_path, everything=True)
    assert not kept.exists()


def test_what_only_has_the_name_of_a_stage_stays(tmp_path, lost_worker):
    mine = tmp_path / f".m3scale-{lost_worker}-0{STAGE}"
    mine.mkdir()
    (mine / "note.json").write_text('{"worker": "me"}')
    (tmp_path / "notes.tmp").write_text("mine")
    os.utime(tmp_path / "notes.tmp", (0, 0))
    write_atomically(tmp_path / "file", b"new")
    sweep(tmp_path, everything=True)
    assert (mine / "note.json").exists()
    assert (tmp_path / "notes.tmp").exists()


def test_a_stage_whose_note_was_never_written_is_swept(tmp_path, lost_worker):
    stages = [tmp_path / f".m3scale-{lost_worker}-{number}{STAGE}" for number in range(2)]
    for stage in stages:
        stage.mkdir()
    (stages[0] / "note.json").touch()
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_stage_of_this_process_that_is_open_is_not_swept(tmp_path):
    with replacing(tmp_path / "outer") as fresh:
        write_atomically(tmp_path / "inner", b"1")
        fresh.write_bytes(b"2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner", "outer"]


def test_write_json_leaves_only_the_file(tmp_path):
    path = write_json(tmp_path / "new" / "x.json", {"a": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]


def test_write_json_keeps_the_old_file_when_it_fails(tmp_path):
    path = write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}


def test_a_folder_takes_the_place_of_the_old_one_at_the_end(tmp_path):
    target = tmp_path / "folder"
    write_folder(target, {"a": b"old"})
    with replacing(target, owned=lambda folder: {"a"}) as fresh:
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


def snapshot(folder):
    """Every entry below a folder: what it is, and what is in it."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            entries[name] = os.readlink(path)
        elif path.is_file():
            entries[name] = path.read_bytes()
        else:
            entries[name] = stat.S_IFMT(path.lstat().st_mode)
    return entries


def fill(folder):
    """A folder with a file of ours and much that is a user's."""
    write_folder(folder, {"a": b"old", "notes.txt": b"mine"})
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "x").write_bytes(b"deep")
    (folder / "link").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")


def test_what_a_user_put_into_a_folder_stays(tmp_path):
    target = tmp_path / "folder"
    fill(target)
    before = snapshot(target)
    (target / "deep" / "ours").write_bytes(b"old")
    with replacing(target, owned=lambda folder: {"a", "deep/ours"}) as fresh:
        write_files(fresh, {"b": b"new", "notes.txt": b"ours"})
    after = snapshot(target)
    assert after.pop("b") == b"new"
    assert before.pop("a") == b"old"
    assert after == before


class Cut(BaseException):
    """A kill: nothing may tidy up after it."""


CALLS = ("replace", "fsync", "link", "mkdir", "open", "listdir", "rmdir", "unlink")


@pytest.mark.parametrize("moment", range(66))  # as many calls as there are
@pytest.mark.parametrize("kind", ["EIO", "kill"])
@pytest.mark.parametrize("steps", [1, 2])
def test_an_error_or_a_kill_at_any_call_leaves_the_old_or_the_new(
    tmp_path, monkeypatch, moment, kind, steps
):
    if steps == 2:  # as on a file system that exchanges no folders
        monkeypatch.setattr("m3_backbone.exchange._exchange_at_once", lambda *_: errno.EINVAL)
    target = tmp_path / "folder"
    fill(target)
    old = snapshot(target)
    new = {**{name: old[name] for name in old if name != "a"}, "b": b"new"}
    left = [moment]

    def broken(call):
        def run(*args, **options):
            left[0] -= 1
            if left[0] < 0 and (kind == "kill" or left[0] == -1):
                raise Cut if kind == "kill" else OSError(5, "Input/output error")
            return call(*args, **options)

        return run

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, broken(getattr(os, name)))
        if kind == "kill":
            patch.setattr("m3_backbone.files._close_stage", lambda stage: None)
        try:
            with replacing(target, owned=lambda folder: {"a"}) as fresh:
                write_files(fresh, {"b": b"new"})
        except (OSError, Cut):
            pass
    recover(target)
    assert snapshot(target) in (old, new)
    _OPEN.clear()  # as in a new process
    _SWEPT.clear()
    write_atomically(tmp_path / "next", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "next"]


def test_a_symlink_is_followed_and_a_device_refused(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is no regular file"):
        write_atomically(tmp_path / "pipe", b"new")
    with pytest.raises(ValueError, match="null is a device"):
        write_atomically(Path("/dev/null"), b"new")


def refuse(folder):
    raise ValueError("not ours")


def test_outputs_are_refused_before_any_work(tmp_path, monkeypatch):
    source = tmp_path / "source.jsonl"
    source.write_bytes(b"{}")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_bytes(b"")
    check_output(tmp_path / "a" / "b" / "new.json", [source])
    check_output(tmp_path / "new", [source], owned=refuse)
    with pytest.raises(ValueError, match="is an input"):
        check_output(source, [source])
    with pytest.raises(ValueError, match="is a folder: name a file"):
        check_output(tmp_path / "full")
    for root in ("/", "//", "/.."):
        with pytest.raises(ValueError, match="is the root of the file system: name"):
            check_output(Path(root), owned=lambda _: ())
    with pytest.raises(ValueError, match="is a file: name a folder"):
        check_output(source, owned=refuse)
    with pytest.raises(ValueError, match="not ours"):
        check_output(tmp_path / "full", owned=refuse)
    with pytest.raises(ValueError, match="cannot write to the folder .*below: Not a directory"):
        check_output(source / "below" / "it")
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: fail(0))  # Python 3.10 keeps os.mkdir
    with pytest.raises(
        ValueError, match="cannot write to the folder .*: No space left on device; choose"
    ):
        check_output(tmp_path / "new.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "source.jsonl"]


def test_what_else_is_in_the_folder_is_left_alone(tmp_path, monkeypatch):
    for index in range(3):
        (tmp_path / f"other{index}").write_bytes(b"")
    opened, real = [], os.open

    def watch(path, *rest, **more):
        opened.append(str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", watch)
    write_folder(tmp_path / "folder", {"a": b"1"})
    write_atomically(tmp_path / "file", b"2")
    assert not [path for path in opened if "other" in path]


def test_an_error_names_the_file_that_it_is_about(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="cannot write .*below: File exists; what was written"):
        write_atomically(tmp_path / "file" / "below", b"")
    with pytest.raises(OSError, match="cannot write .*: File name too long; what was written"):
        write_atomically(tmp_path / ("x" * 300), b"")
    for name in ("gone", "file/gone"):
        with pytest.raises(OSError, match=f"{name}'$"), replacing(tmp_path / "target"):
            (tmp_path / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_file_that_may_not_be_written_is_synced_by_reading(tmp_path, monkeypatch):
    target = tmp_path / "folder"
    write_folder(target, {"a": b"old", "notes.txt": b"mine"})
    (target / "notes.txt").chmod(0o444)
    modes, real = {}, os.open

    def watch(path, flags, *rest, **more):
        modes[Path(path).name] = flags & os.O_ACCMODE
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", watch)
    with replacing(target, owned=lambda folder: {"a"}) as fresh:
        write_files(fresh, {"b": b"new"})
    assert modes["notes.txt"] == os.O_RDONLY
    assert (target / "notes.txt").read_bytes() == b"mine"


def test_a_folder_is_searched_for_lost_stages_once(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr("m3_backbone.files.sweep", looks.append)
    for index in range(3):
        write_atomically(tmp_path / f"file{index}", b"")
    assert looks == [tmp_path]


def test_a_disk_with_room_for_a_folder_and_none_for_a_file_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(ValueError, match=r"cannot write to the folder .*: No space left on devi"):
        check_output(tmp_path / "a.json")
    with pytest.raises(OSError, match=r"cannot write .*a\.json: No space left on device; what"):
        write_atomically(tmp_path / "a.json", b"new")
    assert not list(tmp_path.iterdir())


def test_a_file_that_fails_within_a_folder_is_told_as_the_folder(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="^cannot write [^:]*folder: No space left") as caught:
        with replacing(tmp_path / "folder") as fresh:
            monkeypatch.setattr(os, "fsync", fail)
            write_atomically(fresh / "a", b"1")
    assert ".writing" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_processes_of_another_container_are_not_known_to_be_gone(monkeypatch, lost_worker):
    monkeypatch.setattr("m3_backbone.processes.WHOLE_MACHINE", 1)
    assert worker_name() != lost_worker and not is_gone(lost_worker)
    assert is_gone(worker_name())
