"""The benchmark of the audit, as small as it can be."""

import json
import sys

import numpy as np
import pytest

from predictor.routing_metrics.gap import hull_at, oracle_at
from scripts.benchmarks import audit
from scripts.benchmarks.audit import (
    SCALES,
    SHAPES,
    count_independent,
    find_slope,
    main,
    make_chances,
)


@pytest.mark.parametrize("name", SHAPES)
def test_features_are_worth_what_is_said(name):
    known = np.array([-1.0, 1.0])
    chances = make_chances(name, find_slope(name, 0.03), known)
    assert chances.mean(axis=0) == pytest.approx(SHAPES[name], abs=0.01)
    costs = np.array(SCALES, float)
    at = np.geomspace(1, 576, 200)
    gain = oracle_at(chances, costs, at) - hull_at(costs, chances.mean(axis=0), at)
    assert gain.max() == pytest.approx(0.03, abs=0.001)


def test_independent_outcomes_are_not_worth_routing():
    counted = count_independent("steep", tables=2, questions=1000)
    assert (counted["worth"], counted["perhaps"], counted["others"]) == (0, 0, "luck 2")


def test_all_is_written(runner, tmp_path, monkeypatch):
    # Trainings take their time; a router that always takes the same scale gains nothing.
    always = np.full(200, 4)
    monkeypatch.setattr(audit, "_judge", lambda data, kind: (kind, always))
    options = ("--tables", "1", "--questions", "200", "--json", str(tmp_path / "a.json"))
    result = runner.invoke(main, options)
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["of"] for row in written["verdicts"]] == [1] * 3 * len(SHAPES)
    assert written["verdicts"][-1]["others"] == "linear 1"
    assert written["verdicts"][0]["real gain"] is None
    assert -0.05 < written["verdicts"][-1]["real gain"] <= 0


def test_a_run_that_was_stopped_goes_on(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "_judge", lambda data, kind: (kind, np.full(200, 4)))
    options = ("--tables", "1", "--questions", "200", "--json", str(tmp_path / "a.json"))
    monkeypatch.setattr(sys, "argv", ["audit", *options])
    counted = []

    def count(name, gain, *settings):
        counted.append((name, gain))
        if len(counted) == 3:
            raise KeyboardInterrupt
        return audit._count(name, ["small"])

    monkeypatch.setattr(audit, "count_features", count)
    assert runner.invoke(main, options).exit_code != 0
    assert not json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["whole"]
    monkeypatch.setattr(audit, "count_independent", lambda *settings: pytest.fail("counted again"))
    result = runner.invoke(main, options)
    assert result.exit_code == 0, result.output
    names = list(SHAPES)
    kinds = [(name, gain) for gain in (0.0, audit.GAIN) for name in names]
    assert counted == [*kinds[:3], *kinds[2:]]
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["tables"] for row in written["verdicts"]][len(names) :] == names * 2
    assert written["whole"]
    monkeypatch.setattr(audit, "describe_code", lambda: "other code")
    anew = audit._count("made up", ["anew"])
    monkeypatch.setattr(audit, "count_independent", lambda *settings: anew)
    assert runner.invoke(main, options).exit_code == 0
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert written["verdicts"][0]["others"] == "anew 1" and len(written["verdicts"]) == 15
