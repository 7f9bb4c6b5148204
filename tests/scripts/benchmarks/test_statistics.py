"""The simulation of certificates: its worlds, its counts, and that it goes on where it stopped."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from m3_backbone.schemas import read_saved
from predictor.policy.candidates import list_candidates
from predictor.policy.certificates import certify
from predictor.policy.claims import Claim
from scripts.benchmarks.simulated import certificates
from scripts.benchmarks.simulated.certificates import WORLDS, list_claims, make_world, simulate
from scripts.benchmarks.statistics import Saved, main, write_table

DOCS = Path(__file__).resolve().parents[3] / "docs"
CLAIM = Claim("regression", 0.1, 0.1)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(certificates, "IMAGES", 300)
    monkeypatch.setattr(certificates, "SIZES", (200, 300))
    monkeypatch.setattr(certificates, "CANDIDATES", 8)


def test_dense_images_are_three_times_as_risky():
    data, _ = make_world("unequal", 1500, 0)
    sizes = np.unique(data.image_ids, return_counts=True)[1]
    assert (sizes.min(), sizes.max()) == (1, 60)
    lost = (data.scores[:, -1] > data.scores[:, 2]).astype(float)
    dense = np.repeat(sizes, sizes) >= 20
    assert 2 < lost[dense].mean() / lost[~dense].mean() < 4
    assert len(np.unique(make_world("graded", 100, 0)[0].scores)) == 4


def test_the_draws_certify_what_the_product_certifies(small, monkeypatch):
    """All images in one split: the choice is that of `certify` on the whole world."""
    data, seen = make_world("six", 300, 0)
    train, believed = make_world("six", 30, 1)
    candidates = list_candidates(believed, train, 8)
    expected = certify(seen, data, candidates, CLAIM)

    class Whole:
        def integers(self, low, high, shape):
            return np.tile(np.arange(high), (shape[0], 1))

    monkeypatch.setattr(
        np.random,
        "default_rng",
        lambda seed, real=np.random.default_rng: Whole() if isinstance(seed, tuple) else real(seed),
    )
    [_, actual] = simulate([CLAIM], "six", 3)
    assert actual.images == 300 and actual.draws == 3
    assert actual.tokens == pytest.approx(expected.tokens)


def test_certificates_hold_and_are_not_idle(small):
    rows = [row for row in simulate(list_claims(0.1, 0.1), "unequal", 60) if row.images == 300]
    assert len(rows) == 9
    for row in rows:
        # 60 draws of a rate of 0.1 exceed 0.25 once in 5,000.
        assert row.broken <= 0.25
        if "family" not in row.claim:
            assert row.refused == 0 and row.cost_ratio < 2.5
            # Not cheaper than any valid certificate, but for the noise of 60 draws.
            assert row.cost_ratio > 0.9 * row.least_ratio


def test_a_run_that_was_stopped_goes_on(small, runner, tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.benchmarks.statistics.WORLDS", {"one": "one"})
    monkeypatch.setattr("scripts.benchmarks.statistics.SIZES", (200, 300))
    three = list_claims(0.1, 0.1)[:3]
    monkeypatch.setattr("scripts.benchmarks.statistics.list_claims", lambda *levels: three)
    path, page = tmp_path / "s.json", tmp_path / "s.md"
    arguments = ["--draws", "5", "--json", str(path)]
    result = runner.invoke(main, [*arguments, "--markdown", str(page)])
    assert result.exit_code == 0, result.output
    whole = path.read_bytes()
    assert page.read_text("utf-8").count("\n| one |") == 6
    saved = json.loads(whole)
    # As if it had been killed after the first claim.
    path.write_text(json.dumps({**saved, "rows": saved["rows"][:2], "whole": False}))
    result = runner.invoke(main, arguments)
    assert result.exit_code == 0 and result.stderr.count("\n") == 2
    assert path.read_bytes() == whole
    result = runner.invoke(main, ["--draws", "6", "--json", str(path)])
    assert result.exit_code == 2 and "is of 5 draws" in result.stderr


def test_the_worlds_have_names():
    assert set(WORLDS.values()) == {"one", "six", "unequal", "graded"}
    claims = list_claims(0.05, 0.1)
    assert len(set(map(str, claims))) == 9 and replace(claims[0], loss="net") in claims


def test_the_page_is_what_the_command_on_it_makes():
    page = (DOCS / "statistics.md").read_text("utf-8")
    saved = read_saved(Saved, DOCS / "statistics.json", "make it again")
    assert page == write_table(saved)
    [command] = re.findall(r"`python -m scripts\.benchmarks\.statistics (.*)`", page)
    given = main.make_context("statistics", command.split()).params
    assert (given["draws"], given["seed"]) == (saved.draws, saved.seed)
