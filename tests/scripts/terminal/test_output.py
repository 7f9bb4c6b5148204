import json

import click
import numpy as np
import pytest

from m3_backbone.files import clean_numbers, write_json
from scripts.terminal.output import print_table


def test_clean_numbers_makes_strict_json():
    value = {1: np.float32(0.5), "a": [np.int64(3), float("nan")], "b": (float("inf"), None, "x")}
    assert clean_numbers(value) == {"1": 0.5, "a": [3, None], "b": [None, None, "x"]}


def test_write_json_leaves_only_the_file(tmp_path):
    path = write_json(tmp_path / "new" / "x.json", {"a": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]


def test_write_json_keeps_the_old_file_when_it_fails(tmp_path):
    path = write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}


def test_print_table_aligns(runner):
    @click.command()
    def show():
        print_table(("scale", "accuracy"), [(1, 0.5), (576, None), ("x", 0.123456)])

    lines = runner.invoke(show).output.splitlines()
    assert lines == ["scale  accuracy", "1           0.5", "576           -", "x        0.1235"]
