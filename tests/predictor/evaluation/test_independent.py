"""The figures of results.json again, by plain pandas and other algorithms, to five digits.

Nothing of the project is used but `evaluate`, whose figures are compared. The stored table has
questions with images of one to three crops, scores in between, and the scales that a router chose.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.data import TrainData
from predictor.evaluation.evaluate import evaluate
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, SeedRun, Sweep

BUDGETS = (36.0, 72.0, 144.0)
STORED = Path(__file__).parent / "stored" / "outcomes.csv"


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(STORED)


@pytest.fixture(scope="module")
def results(table):
    """What the project makes of the table."""
    wide = table.pivot(index="sample_id", columns="scale")
    first = table.groupby("sample_id").first()
    n = len(wide)

    def sweep(*names):
        chosen = [wide[f"at_{name}"].to_numpy().argmax(axis=1) for name in names]
        return Sweep(BUDGETS[: len(names)], np.zeros(len(names)), np.column_stack(chosen))

    at = sweep("36", "72", "144")
    data = TrainData(
        sample_ids=wide.index.to_numpy(str),
        image_ids=first["image_id"].to_numpy(str),
        groups=np.full(n, "one"),
        coarse=np.zeros((n, 10, 2), np.float32),
        question=np.zeros((n, 2), np.float32),
        scores=wide["score"].to_numpy(),
        tokens=wide["tokens"].to_numpy(float),
        scales=tuple(map(int, wide["score"].columns)),
    )
    settings = EvaluationSettings(targets=BUDGETS, headline=72.0, n_resamples=2, fewest=2)
    prepared = PreparedSplit.prepare(data, settings)
    return evaluate(prepared, {"router": [SeedRun(0, at, at, sweep("parity"))]})


def same(value):
    return pytest.approx(value, abs=5e-6)


def mix(fixed, at):
    """The best accuracy at a mean cost, of all mixtures of two fixed scales [tokens, accuracy]."""
    best = fixed["accuracy"].where(fixed["tokens"] <= at).max()
    for (_, a), (_, b) in product(fixed.iterrows(), repeat=2):
        if a["tokens"] <= at < b["tokens"]:
            share = (at - a["tokens"]) / (b["tokens"] - a["tokens"])
            best = max(best, (1 - share) * a["accuracy"] + share * b["accuracy"])
    return best


@pytest.fixture(scope="module")
def hindsight(table):
    """The oracle at a mean cost by duality: the least, over prices, of worth plus price times cost.

    The least is at a price at which some question changes its scale, or at none.
    """
    wide = table.pivot(index="sample_id", columns="scale")
    different = wide[["tokens", "score"]].drop_duplicates()
    prices = {0.0}
    for _, row in different.iterrows():
        ends = product(zip(row["tokens"], row["score"], strict=True), repeat=2)
        prices |= {(s2 - s1) / (t2 - t1) for (t1, s1), (t2, s2) in ends if t2 > t1}
    worth = {
        price: (wide["score"] - price * wide["tokens"]).max(axis=1).mean()
        for price in prices
        if price >= 0
    }
    return lambda at: min(value + price * at for price, value in worth.items())


@pytest.fixture(scope="module")
def fixed(table):
    means = table.groupby("scale")[["tokens", "score"]].mean()
    return means.rename(columns={"score": "accuracy"})


def test_fixed_scales_and_hull(results, fixed):
    for scale, point in fixed.iterrows():
        assert results["fixed"][str(scale)]["tokens"] == same(point["tokens"])
        assert results["fixed"][str(scale)]["accuracy"] == same(point["accuracy"])
    corners = pd.DataFrame(results["hull"], columns=["tokens", "accuracy"])
    assert len(corners) >= 3
    for _, corner in corners.iterrows():
        assert corner["accuracy"] == same(mix(fixed, corner["tokens"]))
    # Between the corners it is straight, so that they are all there are.
    for at in np.linspace(corners["tokens"].min(), corners["tokens"].max(), 20):
        between = np.interp(at, corners["tokens"], corners["accuracy"])
        assert between == same(mix(fixed, at))


def test_oracle(results, hindsight):
    points = results["oracle_curve"][5::9]
    assert len(points) >= 3
    for point in points:
        assert point["accuracy"] == same(hindsight(point["tokens"]))


@pytest.mark.parametrize("budget", ["36", "72", "144"])
def test_gap_closed_and_regressions(results, table, fixed, hindsight, budget):
    routed = table[table[f"at_{budget}"] == 1].set_index("sample_id")
    largest = table[table["scale"] == table["scale"].max()].set_index("sample_id")
    actual = results["router"]["at"][budget]
    tokens, accuracy = routed["tokens"].mean(), routed["score"].mean()
    assert (actual["tokens"], actual["accuracy"]) == (same(tokens), same(accuracy))
    hull = mix(fixed, tokens)
    closed = (accuracy - hull) / (hindsight(tokens) - hull)
    assert actual["ogc"] == same(closed)
    lost = (largest["score"] >= 0.5) & (routed["score"].loc[largest.index] < 0.5)
    assert actual["regression_rate"] == same(lost.mean())
    if budget == "72":
        assert results["headline"]["ogc_72"] == same(closed)
        assert results["headline"]["regression_rate"] == same(lost.mean())


def test_parity(results, table, fixed):
    routed = table[table["at_parity"] == 1]
    largest = fixed.loc[fixed.index.max()]
    head = results["headline"]
    assert head["parity_tokens"] == same(routed["tokens"].mean())
    assert head["parity_share"] == same(routed["tokens"].mean() / largest["tokens"])
    assert head["parity_drop"] == same(largest["accuracy"] - routed["score"].mean())
