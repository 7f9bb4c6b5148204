"""What is a path, what is a name on the Hub, and what is refused at once."""

import gzip
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import datasets
import pytest

from labels.sources.opening import open_source

ROW = {"question": "What?"}


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    def load_dataset(*names, **_):
        raise AssertionError(f"looked up {names} on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows or [ROW]))
    return path


@pytest.mark.parametrize(
    "source",
    [
        *(
            "./gone",
            "../gone",
            "/gone",
            "~/gone-away",
            "gone/",
            "a/b/c",
            "a//b",
            r"a\b",
            "C:/x",
            "",
        ),
        *("gone.jsonl", "a/gone.TSV", "gone.csv", "gone.json.gz", "gone.xlsx", "gone.zip", "a b"),
    ],
)
def test_what_looks_like_a_path_is_never_looked_up(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if source == "":
        with pytest.raises(ValueError, match="no saved data set"):
            open_source(source, None)  # the folder one is in
        return
    with pytest.raises(FileNotFoundError, match="there is no data set at .*; check the path"):
        open_source(source, None)


@pytest.mark.parametrize("name", ["q.xlsx", "lmms-lab/POPE", "plain"])
def test_what_is_there_is_never_looked_up(name, tmp_path, monkeypatch):
    write(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no file that questions are read from"):
        open_source(name, None)


@pytest.mark.parametrize("source", ["~", "..", "."])
def test_a_large_folder_is_refused_without_a_search(source, tmp_path, monkeypatch):
    home = tmp_path / "home" / "here"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    start = time.perf_counter()
    with pytest.raises(ValueError, match="is no saved data set, and of its files none belongs"):
        open_source(source, None)
    assert time.perf_counter() - start < 5


def test_the_root_of_the_file_system_is_not_searched():
    start = time.perf_counter()
    with suppress(ValueError):  # a file that happens to lie there may be a data set
        open_source("/", None)
    assert time.perf_counter() - start < 5


def test_a_folder_with_a_script_of_its_name_is_only_a_folder(tmp_path):
    folder = tmp_path / "mine"
    write(folder / "mine.py")
    with pytest.raises(ValueError, match=r"none belongs to the split 'test' \(there: none\)"):
        open_source(str(folder), None)
    write(folder / "test.jsonl")
    assert open_source(str(folder), None).table.rows[0] == ROW


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    for source in (tmp_path / "pipe.jsonl", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(ValueError, match="is no regular file"):
            open_source(str(source), None)


@pytest.mark.parametrize(
    ("files", "split", "expected"),
    [
        (["test.jsonl", "train.jsonl"], None, ["test.jsonl"]),
        (["test.jsonl", "train.jsonl"], "train", ["train.jsonl"]),
        (["only.jsonl", "README.md"], "train", ["only.jsonl"]),
        (
            ["data/test-00001-of-00002.jsonl", "data/test-00000-of-00002.jsonl"],
            None,
            ["data/test-00000-of-00002.jsonl", "data/test-00001-of-00002.jsonl"],
        ),
        (["test/metadata.jsonl", "train/metadata.jsonl"], None, ["test/metadata.jsonl"]),
    ],
)
def test_files_of_a_split(tmp_path, files, split, expected):
    for name in files:
        write(tmp_path / name, {"file": name})
    opened = open_source(str(tmp_path), split)
    assert [row["file"] for row in opened.table.rows] == expected
    assert opened.name == f"{tmp_path}:{split or 'test'}"
    assert opened.folder == (tmp_path / expected[0]).parent


@pytest.mark.parametrize("files", [["a.jsonl", "b.jsonl"], ["test.jsonl", "test.csv"]])
def test_files_that_may_be_either_are_listed(tmp_path, files):
    for name in files:
        write(tmp_path / name)
    with pytest.raises(ValueError, match=r"\(.*" + ", ".join(sorted(files))):
        open_source(str(tmp_path), None)


@pytest.mark.parametrize(
    "names",
    [
        ["test-00000-of-00003.jsonl", "test-00002-of-00003.jsonl"],
        ["test-00000-of-00001.jsonl", "test-00000-of-00002.jsonl", "test-00001-of-00002.jsonl"],
        ["test-00000-of-00001.jsonl", "test-00000-of-00001-ab12.jsonl"],
        ["test-00000-of-00001.jsonl", "test.jsonl"],
    ],
)
def test_parts_that_are_no_whole_set_are_refused(tmp_path, names):
    for name in names:
        write(tmp_path / name)
    with pytest.raises(ValueError, match="parts of the split that are no whole set"):
        open_source(str(tmp_path), None)


def test_a_file_beside_its_packed_self_is_refused(tmp_path):
    write(tmp_path / "test.jsonl")
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress((tmp_path / "test.jsonl").read_bytes()))
    with pytest.raises(ValueError, match=r"holds test.jsonl packed and unpacked|several files"):
        open_source(str(tmp_path), None)


def test_rows_are_chosen_by_their_split(tmp_path):
    path = write(tmp_path / "q.jsonl", {"split": "val", "n": 1}, {"split": "test", "n": 2})
    assert open_source(str(path), "val").split == "val"
    assert open_source(str(path), None).split is None
    assert open_source(str(write(tmp_path / "p.jsonl")), "val").split is None


def test_a_damaged_saved_folder_is_one_error(tmp_path):
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be read as a data set: "):
        open_source(str(tmp_path), None)


def test_a_null_line_does_not_end_the_process(tmp_path):
    (tmp_path / "n.jsonl").write_text("null\n")
    code = "import sys; from labels.sources.loading import load_questions as f; f(sys.argv[1])"
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "n.jsonl")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "row 1: expected an object, got None" in run.stderr
