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
    compare_ceiling,
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


def test_the_noise_ceiling_is_near_the_truth():
    compared = compare_ceiling(0.1, repeats=3, tables=1, questions=1200)
    assert compared["largest error"] < 0.03
    assert compared["true OGC"] == pytest.approx(compared["OGC"], abs=0.1)


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
    assert [(row["flipped"], row["repeats"]) for row in written["ceilings"]] == [
        *((0.05, repeats) for repeats in (2, 3, 5)),
        *((0.1, repeats) for repeats in (2, 3, 5)),
    ]


def test_a_run_that_was_stopped_goes_on(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "_judge", lambda data, kind: (kind, np.full(200, 4)))
    options = ("--tables", "1", "--questions", "200", "--json", str(tmp_path / "a.json"))
    monkeypatch.setattr(sys, "argv", ["audit", *options])
    counted = []

    def compare(rate, repeats, tables, questions):
        counted.append((rate, repeats))
        if len(counted) == 3:
            raise KeyboardInterrupt
        return {"flipped": rate}

    monkeypatch.setattr(audit, "compare_ceiling", compare)
    assert runner.invoke(main, options).exit_code != 0
    assert not json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["whole"]
    monkeypatch.setattr(audit, "count_independent", lambda *settings: pytest.fail("counted again"))
    result = runner.invoke(main, options)
    assert result.exit_code == 0, result.output
    assert counted[2:] == [(0.05, 5), (0.05, 5), (0.1, 2), (0.1, 3), (0.1, 5)]
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["flipped"] for row in written["ceilings"]] == [0.05] * 3 + [0.1] * 3
    assert written["whole"]
    monkeypatch.setattr(audit, "describe_code", lambda: "other code")
    monkeypatch.setattr(
        audit, "count_independent", lambda name, *settings: audit._count(name, ["anew"])
    )
    assert runner.invoke(main, options).exit_code == 0
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert written["verdicts"][0]["others"] == "anew 1" and len(written["ceilings"]) == 6
