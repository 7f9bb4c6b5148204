"""Answers of the ways to read are counted where they differ."""

import json
from types import SimpleNamespace

from scripts.benchmarks.numerics import _compare, main


def test_answers_that_differ_are_counted_with_their_margins():
    exact = [SimpleNamespace(token_ids=(k,), first_margin=m) for k, m in enumerate([3.0, 0.5, 0.1])]
    other = [SimpleNamespace(token_ids=ids) for ids in [(0,), (1, 7), (8,)]]
    assert _compare(exact, other, exact) == {
        "answers": 3,
        "differ": 2,
        "share": 2 / 3,
        "at the first token": 1,
        "their median margin": 0.3,
    }
    assert _compare(exact, exact, exact)["their median margin"] is None


def test_in_float32_no_answer_depends_on_the_way(runner, tmp_path):
    path = tmp_path / "numerics.json"
    options = ["--size", "tiny", "--images", "2", "--each", "2", "--max-new-tokens", "3"]
    done = runner.invoke(main, [*options, "--dtype", "float32", "--json", str(path)])
    assert done.exit_code == 0, done.output
    pairs = json.loads(path.read_text())["pairs"]
    assert [one["answers"] for one in pairs] == [20] * 4  # 4 questions at 5 scales
    assert [one["differ"] for one in pairs] == [0] * 4
