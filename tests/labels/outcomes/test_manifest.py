import json
import re
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import pytest

from labels.outcomes import manifest as module
from labels.outcomes.manifest import (
    MANIFEST,
    Manifest,
    check_same_settings,
    finish_run,
    open_run,
    package_version,
    read_manifest,
)

WANTED = Manifest("toy", {"checkpoint": "aa", "scales": [1, 9], "code_version": "1"}, 8, 3, 2)


def change(**settings):
    return replace(WANTED, settings={**WANTED.settings, **settings})


def test_round_trip(tmp_path):
    assert open_run(tmp_path, WANTED) == WANTED
    assert read_manifest(tmp_path) == WANTED
    assert finish_run(tmp_path, WANTED) == replace(WANTED, finished=True)
    assert read_manifest(tmp_path).finished


def test_run_id_follows_settings_only():
    assert WANTED.run == replace(WANTED, source="elsewhere", finished=True).run
    assert WANTED.run != change(checkpoint="bb").run


def test_same_run_is_taken_up_under_another_source_name(tmp_path):
    open_run(tmp_path, WANTED)
    assert open_run(tmp_path, replace(WANTED, source="moved")).source == "toy"


def test_changed_settings_are_shown(tmp_path):
    open_run(tmp_path, WANTED)
    message = (
        r"other settings: checkpoint is 'aa' there but 'bb' now; dtype is None there but 'f' now; "
        r"scales is \[1, 9\] there but \[1\] now\. Use the same"
    )
    with pytest.raises(ValueError, match=message):
        open_run(tmp_path, change(checkpoint="bb", scales=[1], dtype="f"))


def test_code_may_move_on_only_after_the_run(tmp_path):
    open_run(tmp_path, WANTED)
    with pytest.raises(ValueError, match="code_version is '1' there but '2' now"):
        open_run(tmp_path, change(code_version="2"))
    finish_run(tmp_path, WANTED)
    actual = open_run(tmp_path, change(code_version="2"))
    assert actual.run == WANTED.run
    with pytest.raises(ValueError, match="code_version"):
        check_same_settings(tmp_path, actual, change(code_version="2"))


def test_missing_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no labelling run .*m3scale label makes one"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"run": "x", "unknown": 1}'])
def test_damaged_manifest(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json cannot be used: .*; delete it"):
        read_manifest(tmp_path)


def test_edited_manifest(tmp_path):
    open_run(tmp_path, WANTED)
    content = json.loads((tmp_path / MANIFEST).read_text())
    content["settings"]["checkpoint"] = "bb"
    (tmp_path / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"manifest\.json was edited"):
        read_manifest(tmp_path)


def test_version_of_a_checkout(monkeypatch):
    def fail(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", fail)
    assert package_version() == "unknown"


def test_a_run_from_before_pooling_had_a_name_was_pooled_by_averages(tmp_path):
    open_run(tmp_path, WANTED)
    assert open_run(tmp_path, change(pooling="average")) == WANTED
    with pytest.raises(ValueError, match="pooling is 'average' there but 'spatial' now"):
        open_run(tmp_path, change(pooling="spatial"))


@pytest.mark.parametrize("field", ["n_questions", "n_images", "n_parts", "finished", "source"])
@pytest.mark.parametrize("value", [None, [], {}, 1.5, -1, 10**12])
def test_fields_of_another_type_or_out_of_range_are_damage(tmp_path, field, value):
    open_run(tmp_path, WANTED)
    content = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps({**content, field: value}))
    with pytest.raises(ValueError, match=r"manifest\.json cannot be used: .*; delete it and run"):
        read_manifest(tmp_path)


def test_every_edit_is_named_or_means_nothing_to_the_run(tmp_path, edit_json):
    open_run(tmp_path, WANTED)
    edits = list(edit_json(json.loads((tmp_path / MANIFEST).read_text())))
    refused = 0
    for _, edited in edits:
        (tmp_path / MANIFEST).write_text(json.dumps(edited))
        try:
            assert read_manifest(tmp_path).run == WANTED.run
        except ValueError as error:
            assert re.search(r"manifest\.json (cannot be used|was edited).*; delete", str(error))
            assert "\n" not in str(error)
            refused += 1
    # The counts, the name and whether it is finished are not part of the id.
    assert 0.8 * len(edits) < refused < len(edits)
