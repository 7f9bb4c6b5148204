"""Adaptive answering is timed part by part, at mixtures of scales with the mean that was asked."""

import json

import numpy as np
import pytest

from scripts.benchmarks.adaptive import main
from scripts.benchmarks.adaptive_timing import mix_scales

SCALES = (1, 9, 36, 144, 576)


@pytest.mark.parametrize("mean", [16, 72, 144, 400])
def test_a_mixture_has_its_mean(mean):
    chosen = mix_scales(SCALES, mean, 64)
    assert len(chosen) == 64
    assert set(chosen) <= set(SCALES)
    # One question more or less at one step of the ladder is at most (576 - 144) / 64.
    assert np.mean(chosen) == pytest.approx(mean, abs=432 / 64 / 2)


def test_all_parts_are_told(runner, tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.benchmarks.adaptive_timing.ROUTER_ROWS", 200)
    path = tmp_path / "adaptive.json"
    options = ["--size", "tiny", "--questions", "4", "--batch", "3", "--repeats", "1"]
    done = runner.invoke(main, [*options, "--mean", "72", "--json", str(path)])
    assert done.exit_code == 0, done.output
    ways = json.loads(path.read_text())["ways"]
    assert list(ways) == ["always the largest", "adaptive, 72"]
    [fixed], [adaptive] = ways.values()
    assert (fixed["tokens"], fixed["route"]) == (576, 0)
    assert adaptive["tokens"] == pytest.approx(np.mean(mix_scales(SCALES, 72, 4)))
    for one in (fixed, adaptive):
        assert one["encode"] + one["route"] + one["generate"] == pytest.approx(one["total"])
    assert adaptive["route"] > 0
