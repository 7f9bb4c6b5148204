"""A profile is read through its schema: what does not fit is one line."""

import json
from pathlib import Path

import click
import pytest

from scripts.stages.profile import is_profiled, read_extras, read_profile

OLD = Path(__file__).parents[1] / "old_artefacts" / "profile.json"


def test_an_old_profile_is_read():
    assert read_profile(OLD)["576"] == 270.418
    assert read_extras(OLD) == {"pixels": 8.476, "state": 15.245}


def test_every_edit_is_refused_in_one_line_or_gives_times(tmp_path, edit_json):
    profile = json.loads(OLD.read_text())
    path, refused = tmp_path / "profile.json", 0
    for _, edited in edit_json(profile):
        path.write_text(json.dumps(edited))
        is_profiled(path, profile["checkpoint"], "float32")
        try:
            times = [*read_profile(path).values(), *read_extras(path).values()]
            assert all(type(ms) is float and 0 <= ms <= 1e12 for ms in times)
        except ValueError as error:
            assert "m3scale profile makes a new one" in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100


def test_a_missing_profile_is_named(tmp_path):
    with pytest.raises(click.BadParameter, match="no profile at .*; m3scale profile makes one"):
        read_profile(tmp_path / "none.json")
