from pathlib import Path

import pytest

from labels.manifest import Manifest, write_manifest
from scripts.request import (
    REQUEST,
    LabelRequest,
    is_labelled,
    read_request,
    read_seconds,
    write_request,
)

ASKED = LabelRequest(
    source="x.jsonl", limit=3, columns={"question": "prompt"}, image_folder="images", scales=(1, 9)
)
MODEL = {"checkpoint": "a" * 16, "dtype": "float32"}


def test_request_round_trip(tmp_path):
    write_request(tmp_path, ASKED, 1.5)
    assert read_request(tmp_path) == ASKED


def test_seconds_of_sessions_add_up(tmp_path):
    assert read_seconds(tmp_path) == 0
    write_request(tmp_path, ASKED, 1.5)
    write_request(tmp_path, ASKED, 2.0)
    assert read_seconds(tmp_path) == 3.5


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"request": {"sauce": 1, "scales": []}}'])
def test_a_note_that_cannot_be_read_is_no_note(tmp_path, content):
    (tmp_path / REQUEST).write_text(content, encoding="utf-8")
    assert read_request(tmp_path) is None


def finish(folder, finished=True):
    write_manifest(folder, Manifest("x", dict(MODEL), 3, 3, 1, finished=finished))


def test_is_labelled_when_all_is_the_same(tmp_path):
    finish(tmp_path)
    write_request(tmp_path, ASKED, 1.0)
    assert is_labelled(tmp_path, ASKED, MODEL)
    assert not is_labelled(tmp_path, LabelRequest(source="y.jsonl"), MODEL)
    assert not is_labelled(tmp_path, ASKED, {**MODEL, "checkpoint": "b" * 16})
    assert not is_labelled(tmp_path, ASKED, {**MODEL, "dtype": "bfloat16"})


def test_is_not_labelled_before_the_end(tmp_path):
    assert not is_labelled(tmp_path, ASKED, MODEL)
    finish(tmp_path, finished=False)
    assert not is_labelled(tmp_path, ASKED, MODEL)
    write_request(tmp_path, ASKED, 1.0)
    assert not is_labelled(tmp_path, ASKED, MODEL)


def test_request_loads_its_questions_and_settings(tmp_path, write_source):
    source = write_source(tmp_path, 2, seed=0)
    request = LabelRequest(source=str(source), limit=3, scales=(9,), suffix="One word.")
    questions = request.load_questions()
    assert [question.sample_id for question in questions] == ["0-what", "0-where", "1-what"]
    settings = request.settings()
    assert (settings.scales, settings.suffix, settings.max_new_tokens) == ((9,), "One word.", 16)


def test_image_folder_is_kept_as_text():
    # JSON knows no paths, and a request must be equal to itself after a round trip.
    assert not isinstance(ASKED.image_folder, Path)
