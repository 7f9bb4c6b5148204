import json
import os

import pytest

from labels.parts import (
    FEATURES,
    PARTS,
    SEAL,
    TABLE,
    check_part,
    is_present,
    part_path,
    prepare_folder,
    read_part,
    write_atomically,
    write_part,
)

CONTENTS = {TABLE: b"table" * 50, FEATURES: b"features" * 50}


@pytest.fixture
def folder(tmp_path):
    prepare_folder(tmp_path / "run")
    write_part(tmp_path / "run", 7, "run1", CONTENTS)
    return tmp_path / "run"


def test_part_has_its_files_and_nothing_else(folder):
    names = sorted(path.name for path in (folder / PARTS).iterdir())
    assert names == ["part-00007.json", "part-00007.npz", "part-00007.parquet"]
    assert check_part(folder, 7, "run1")
    assert read_part(folder, 7, "run1", TABLE) == CONTENTS[TABLE]
    assert read_part(folder, 7, "run1", FEATURES) == CONTENTS[FEATURES]


@pytest.mark.parametrize("suffix", [TABLE, FEATURES, SEAL])
def test_part_without_a_file_is_not_there(folder, suffix):
    part_path(folder, 7, suffix).unlink()
    assert not is_present(folder, 7)
    assert not check_part(folder, 7, "run1")
    with pytest.raises(FileNotFoundError, match=r"part-00007\.parquet is not complete"):
        read_part(folder, 7, "run1", TABLE)


@pytest.mark.parametrize("suffix", [TABLE, FEATURES])
@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_damaged_part_is_named(folder, suffix, damage):
    path = part_path(folder, 7, suffix)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[100] ^= 1
    else:
        del content[-1]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"part-00007\{suffix} is damaged .*delete it and run"):
        check_part(folder, 7, "run1")


@pytest.mark.parametrize("seal", ["", "{", "[]", "{}", '{"run": "run1", "sha256": 3}'])
def test_damaged_seal_is_named(folder, seal):
    part_path(folder, 7, SEAL).write_text(seal)
    with pytest.raises(ValueError, match=r"part-00007\.json is damaged; delete it"):
        check_part(folder, 7, "run1")


def test_part_of_another_run_is_refused(folder):
    with pytest.raises(ValueError, match=r"belongs to another run \(run1, not run2\); delete"):
        check_part(folder, 7, "run2")


def test_seal_is_written_last(folder, monkeypatch):
    written = []

    def write(path, content, sync_folder=True):
        written.append((path.suffix, sync_folder))

    monkeypatch.setattr("labels.parts.write_atomically", write)
    write_part(folder, 7, "run1", CONTENTS)
    assert written == [(FEATURES, False), (TABLE, False), (SEAL, True)]
    assert not part_path(folder, 7, SEAL).exists()  # the old seal goes before anything is written


def test_prepare_sweeps_leftovers(folder):
    leftovers = [folder / "manifest.json.tmp", folder / PARTS / "part-00008.npz.tmp"]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    prepare_folder(folder)
    assert not any(leftover.exists() for leftover in leftovers)
    assert check_part(folder, 7, "run1")


def test_prepare_refuses_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        ValueError, match="cannot write to the folder .*run: Not a directory; choose"
    ):
        prepare_folder(tmp_path / "file" / "run")


def test_prepare_refuses_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(path, data):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    with pytest.raises(ValueError, match="cannot write to the folder .*run: Permission denied"):
        prepare_folder(tmp_path / "run")


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, b"old")

    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_seal_says_whose_part_it_is(folder):
    assert json.loads(part_path(folder, 7, SEAL).read_text())["run"] == "run1"
