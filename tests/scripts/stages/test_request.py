import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from labels.outcomes.formats import pack_questions
from labels.outcomes.manifest import QUESTIONS_FILE, Manifest, write_manifest
from labels.outcomes.parts import FEATURES, TABLE, Part, write_part
from labels.questions import fingerprint_questions
from scripts.stages.label import (
    REQUEST,
    LabelRequest,
    is_labelled,
    read_request,
    read_seconds,
    run_label,
    write_bad_rows,
    write_request,
)

ASKED = LabelRequest(
    source="x.jsonl", limit=3, columns={"question": "prompt"}, image_folder="images", scales=(1, 9)
)
MODEL = {"checkpoint": "a" * 16, "dtype": "float32"}


def test_request_round_trip(tmp_path):
    write_request(tmp_path, ASKED)
    assert read_request(tmp_path) == ASKED


def test_seconds_are_those_of_the_parts(tmp_path):
    assert read_seconds(tmp_path) == 0
    manifest = Manifest("x", MODEL, 4, 2, 2)
    write_manifest(tmp_path, manifest)
    write_request(tmp_path, ASKED)
    assert read_seconds(tmp_path) == 0
    # Two shares, such as of processes that label at the same time; one more call finds all done.
    for number, seconds in enumerate((1.5, 2.0)):
        work = {"worker": f"w{number}", "images": 1, "questions": 2, "seconds": seconds, "ended": 9}
        contents = {FEATURES: b"", TABLE: b""}
        write_part(Part(number, number, tmp_path), manifest.run, contents, [work])
    for _ in range(2):
        assert read_seconds(tmp_path) == 3.5
        write_request(tmp_path, ASKED)


def test_seconds_of_an_older_run_are_kept(tmp_path):
    # Its parts do not note them, and its request has no seal.
    saved = {"request": asdict(ASKED), "seconds": 13.5}
    (tmp_path / REQUEST).write_text(json.dumps(saved), encoding="utf-8")
    write_request(tmp_path, ASKED)
    assert read_seconds(tmp_path) == 13.5


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"request": {"sauce": 1, "scales": []}}'])
def test_a_note_that_cannot_be_read_is_no_note(tmp_path, content):
    (tmp_path / REQUEST).write_text(content, encoding="utf-8")
    assert read_request(tmp_path) is None


@pytest.fixture
def labelled(tmp_path, write_source):
    """A function that makes a run of a source look finished; gives its folder and request."""

    def make(finished=True):
        request = LabelRequest(source=str(write_source(tmp_path / "source", 2, seed=0)))
        questions = request.load_questions()
        settings = {**MODEL, "questions": fingerprint_questions(questions)}
        folder = tmp_path / "run"
        folder.mkdir()
        write_manifest(folder, Manifest("x", settings, 4, 2, 1, finished=finished))
        (folder / QUESTIONS_FILE).write_bytes(pack_questions(questions))
        write_request(folder, request)
        return folder, request

    return make


def test_is_labelled_when_all_is_the_same(labelled):
    folder, request = labelled()
    assert is_labelled(folder, request, MODEL)
    assert not is_labelled(folder, replace(request, suffix="One word."), MODEL)
    assert not is_labelled(folder, request, {**MODEL, "checkpoint": "b" * 16})
    assert not is_labelled(folder, request, {**MODEL, "dtype": "bfloat16"})


def test_is_not_labelled_when_the_questions_changed(labelled, write_source, tmp_path):
    folder, request = labelled()
    write_source(tmp_path / "source", 2, seed=1)
    assert not is_labelled(folder, request, MODEL)


def test_is_not_labelled_before_the_end(labelled, tmp_path):
    assert not is_labelled(tmp_path, ASKED, MODEL)
    folder, request = labelled(finished=False)
    assert not is_labelled(folder, request, MODEL)


def test_request_loads_its_questions_and_settings(tmp_path, write_source):
    source = write_source(tmp_path, 2, seed=0)
    request = LabelRequest(source=str(source), limit=3, scales=(9,), suffix="One word.")
    questions = request.load_questions()
    assert [question.sample_id for question in questions] == ["0-what", "0-where", "1-what"]
    settings = request.to_manifest()
    assert (settings["scales"], settings["suffix"]) == ([9], "One word.")
    assert settings["max_new_tokens"] == 16


def test_image_folder_is_kept_as_text():
    # JSON knows no paths, and a request must be equal to itself after a round trip.
    assert not isinstance(ASKED.image_folder, Path)


def test_every_edit_makes_it_no_request(labelled, edit_json):
    folder, request = labelled()
    content = json.loads((folder / REQUEST).read_text())
    for place, edited in edit_json(content):
        (folder / REQUEST).write_text(json.dumps(edited))
        unsealed = place == ("seal",)  # as older versions wrote it
        assert edited == content or read_request(folder) in (
            [None, request] if unsealed else [None]
        )


def test_a_request_of_another_run_is_none(labelled, tmp_path):
    folder, _ = labelled()
    other = tmp_path / "other"
    other.mkdir()
    write_manifest(other, Manifest("x", {"checkpoint": "b"}, 4, 2, 1))
    (other / REQUEST).write_bytes((folder / REQUEST).read_bytes())
    assert read_request(other) is None
    assert read_seconds(other) == 0


def test_every_edit_of_an_old_request_is_none_or_of_the_right_types(labelled, edit_json):
    folder, _ = labelled()
    content = json.loads((folder / REQUEST).read_text())
    del content["seal"]
    for _, edited in edit_json(content):
        (folder / REQUEST).write_text(json.dumps(edited))
        read = read_request(folder)
        assert read is None or isinstance(read.source, str)
        assert 0 <= read_seconds(folder) < float("inf")


def fail_to_open():
    pytest.fail("the model was opened")


def test_foreign_files_in_the_folder_are_told_before_the_model_opens(tmp_path, write_source):
    source = write_source(tmp_path / "source", 2, seed=0)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="mine holds other things than a labelling run"):
        run_label(LabelRequest(source=str(source)), fail_to_open, folder, progress=False)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_list_of_bad_rows_goes_after_a_good_run_of_the_same_folder(
    tmp_path, write_source, monkeypatch
):
    monkeypatch.setattr("labels.labelling.run.label", lambda *_: None)
    source = write_source(tmp_path / "source", 2, seed=0)
    listed = write_bad_rows(tmp_path / "run", ["row 1: no question"])
    run_label(LabelRequest(source=str(source)), lambda: None, tmp_path / "run", progress=False)
    assert not listed.exists()
