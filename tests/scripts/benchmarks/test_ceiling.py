"""The benchmark of the noise ceiling, as small as it can be."""

import json

import numpy as np
import pytest

from scripts.benchmarks.ceiling import ANY, RISING, WORLDS, compare_ceiling, main, make_world


def test_the_noise_ceiling_is_near_the_truth():
    compared = compare_ceiling("10 % flipped", repeats=3, tables=1, questions=1200)
    assert compared["largest error"] < 0.03
    assert compared["true OGC"] == pytest.approx(compared["OGC"], abs=0.1)


@pytest.mark.parametrize("world", WORLDS)
def test_worlds_are_what_they_are_called(world):
    chances, chosen = make_world(world, 2000, np.random.default_rng(0))
    rising = (np.diff(chances, axis=1) >= 0).all()
    assert rising == (world != ANY)
    if world in (RISING, ANY):
        assert np.quantile(chances, (0.1, 0.5, 0.9)) == pytest.approx((0.1, 0.5, 0.9), abs=0.02)
    else:
        assert len(np.unique(chances)) == 2
    # The router knows something: better than its scales for other questions.
    routed = chances[np.arange(2000), chosen].mean()
    assert routed > chances[np.arange(2000), np.roll(chosen, 1)].mean() + 0.02


def test_all_is_written(runner, tmp_path):
    path = tmp_path / "c.json"
    options = ("--tables", "1", "--questions", "200", "--json", str(path))
    result = runner.invoke(main, options)
    assert result.exit_code == 0, result.output
    rows = json.loads(path.read_text(encoding="utf-8"))["ceilings"]
    assert [(row["world"], row["repeats"]) for row in rows] == [
        (world, repeats) for world in WORLDS for repeats in (2, 3, 5)
    ]
