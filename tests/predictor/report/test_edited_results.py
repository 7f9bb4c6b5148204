"""A report is drawn again from edited results: a line says what is wrong, or it does no harm."""

import itertools
import json

import pytest

from predictor.report.folder import read_results
from predictor.report.report import write_markdown, write_report


def draw(results, edit_json, tmp_path, picked, write):
    path, refused = tmp_path / "results.json", 0
    for count, (place, edited) in enumerate(picked(edit_json(results))):
        path.write_text(json.dumps(edited))
        try:
            write(read_results(path), tmp_path / f"out{count}")
        except ValueError as error:
            assert "\n" not in str(error), place
            assert len(str(error)) < 600
            refused += 1
    return refused


def write_page(results, out):
    write_report(results, out, {})


def write_text(results, out):
    write_markdown(results, out, "m3scale report")


def test_a_sample_of_edits(results, edit_json, tmp_path):
    def pick(edits):
        return itertools.islice(edits, 3, None, 97)

    assert draw(results, edit_json, tmp_path, pick, write_text) > 3


@pytest.mark.slow
def test_every_edit_as_markdown(results, edit_json, tmp_path):
    assert draw(results, edit_json, tmp_path, iter, write_text) > 100


@pytest.mark.slow
def test_edits_of_what_is_drawn(results, edit_json, tmp_path):
    def pick(edits):
        return itertools.islice(edits, 0, None, 97)

    assert draw(results, edit_json, tmp_path, pick, write_page) > 3
