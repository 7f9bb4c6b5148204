"""Results of four questions and two trainings, every number worked by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from m3_backbone.serialization import json_ready
from predictor.data import TrainData
from predictor.evaluation.evaluate import evaluate
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, SeedRun, Sweep
from predictor.evaluation.sections.split import describe_split, families, histograms
from predictor.evaluation.sections.unseen import report_outside
from predictor.report.wording import above_limit
from predictor.routing_metrics.mixing import Mixture

SETTINGS = EvaluationSettings(targets=(9.0, 18.0), headline=9.0, n_resamples=50, fewest=2)
# Right everywhere, from 9 on, at 36 only, never.
SCORES = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=float)


@pytest.fixture
def test_split():
    return TrainData(
        sample_ids=np.array(["a", "b", "c", "d"]),
        image_ids=np.array(["p", "p", "q", "q"]),
        groups=np.array(["gist", "gist", "reading", "reading"]),
        coarse=np.zeros((4, 10, 2), np.float32),
        question=np.zeros((4, 2), np.float32),
        scores=SCORES,
        tokens=np.tile([1.0, 9.0, 36.0], (4, 1)),
        scales=(1, 9, 36),
    )


def make_run(seed, at, lam=0.01):
    """Make a run whose curve is its targets and whose parity point is its last target."""
    chosen = np.array(at).T
    sweep = Sweep((9.0, 18.0), np.array([lam, lam / 2]), chosen)
    return SeedRun(seed, sweep, sweep, Sweep((18.0,), np.array([lam / 2]), chosen[:, 1:]))


def measure(test_split, runs):
    """Evaluate and clean the numbers, as the writer of results.json does."""
    return json_ready(evaluate(PreparedSplit.prepare(test_split, SETTINGS), runs), digits=7)


@pytest.fixture
def runs():
    """Seed 0 is the oracle at both budgets; seed 1 takes 1 token, then 9 tokens, throughout."""
    good = make_run(0, [[0, 1, 0, 0], [0, 1, 2, 0]], 0.02)
    poor = make_run(1, [[0, 0, 0, 0], [1, 1, 1, 1]], 0.04)
    return [good, poor]


@pytest.fixture
def results(test_split, runs):
    others = {"question_only": [runs[1]], "omniscient": [runs[0]]}
    return measure(test_split, {"router": runs, **others})


def test_fixed_hull_and_oracles(results):
    accuracy = {scale: point["accuracy"] for scale, point in results["fixed"].items()}
    assert accuracy == {"1": 0.25, "9": 0.5, "36": 0.75}
    # From (1, 1/4) over (9, 2/4): 1/32 a token, then (36, 3/4): 1/108 a token. All are corners.
    assert results["hull"] == [[1, 0.25], [9, 0.5], [36, 0.75]]
    rule = results["oracle"]["minimal-correct"]
    assert (rule["accuracy"], rule["tokens"]) == (0.75, (1 + 9 + 36 + 1) / 4)
    assert rule["tokens_dearest"] == (1 + 9 + 36 + 36) / 4
    assert results["minimal_share"] == {"1": 0.25, "9": 0.25, "36": 0.25, "never": 0.25}
    assert results["non_monotone_share"] == 0
    assert results["oracle_curve"][0] == {"tokens": 1, "accuracy": 0.25}
    assert results["oracle_curve"][-1] == {"tokens": 36, "accuracy": 0.75}
    assert results["random_mixing"][-1] == {"tokens": 36, "accuracy": 0.75}


def test_router_at_the_headline_budget(results):
    at = results["router"]["at"]["9"]
    good, poor = at["per_seed"]
    # Seed 0: 12 tokens / 4 = 3 for 2 right of 4. Hull at 3: 1/4 + 2/32. Oracle at 3: 2/4.
    assert (good["tokens"], good["accuracy"], good["ogc"]) == (3, 0.5, 1)
    # Seed 1 is the cheapest scale: hull and oracle meet, there is no gap to close.
    assert (poor["tokens"], poor["accuracy"], poor["ogc"]) == (1, 0.25, None)
    assert at["tokens"] == 2 and at["accuracy"] == 0.375
    assert at["hull"] == pytest.approx((0.25 + 2 / 32 + 0.25) / 2)
    assert at["oracle"] == pytest.approx((0.5 + 0.25) / 2)
    assert at["ogc"] == 1  # the mean over the seeds that have one
    assert at["lambda"] == pytest.approx(0.03)
    # Lost against 36 tokens: the third question with seed 0, the second and third with seed 1.
    assert at["regression_rate"] == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert at["rescue_rate"] == 0
    assert at["histogram"] == {"1": 7 / 8, "9": 1 / 8, "36": 0}


def test_router_at_the_second_budget(results):
    good, poor = results["router"]["at"]["18"]["per_seed"]
    # Seed 0: (1 + 9 + 36 + 1) / 4 = 11.75 for 3 of 4: the oracle itself.
    assert (good["tokens"], good["accuracy"], good["ogc"]) == (11.75, 0.75, 1)
    # Seed 1: always 9 tokens, a corner of the hull.
    assert (poor["tokens"], poor["accuracy"], poor["ogc"]) == (9, 0.5, 0)
    assert results["router"]["at"]["18"]["ogc"] == 0.5


def test_curve_averages_the_seeds_at_equal_budgets(results):
    first, second = results["router"]["curve"]
    assert (first["target"], first["tokens"], first["accuracy"]) == (9, 2, 0.375)
    assert second["tokens"] == (11.75 + 9) / 2
    assert second["regression_rate"] == pytest.approx((0 + 1 / 4) / 2)


def test_headline(results):
    head = results["headline"]
    assert head["n"] == 4 and head["target"] == 9
    assert head["ogc_9"] == results["router"]["at"]["9"]["ogc"]
    assert head["ogc_9_low"] <= head["ogc_9"] <= head["ogc_9_high"]
    assert head["parity_tokens"] == (11.75 + 9) / 2
    assert head["parity_share"] == pytest.approx((11.75 + 9) / 2 / 36)
    assert head["parity_drop"] == pytest.approx(0.75 - (0.75 + 0.5) / 2)
    assert head["parity_drop_low"] <= head["parity_drop"] <= head["parity_drop_high"]
    assert head["parity_tokens_curve"] is None  # the curve ends at 0.625, parity needs 0.745


def test_parity_is_read_off_the_curve_where_it_gets_there(test_split, runs):
    head = measure(test_split, {"router": runs[:1]})["headline"]
    # From 3 tokens and 0.5 to 11.75 and 0.75; 0.745 is 0.98 of the way.
    assert head["parity_tokens_curve"] == pytest.approx(0.02 * 3 + 0.98 * 11.75)
    assert head["parity_drop"] == 0


def test_controls_are_paired_with_the_router(results):
    control = results["controls"]["question_only"]
    assert control["tokens"] == 1 and control["ogc_9"] is None
    assert "omniscient" not in results["controls"]
    assert results["omniscient"]["at"]["18"]["ogc"] == 1


def test_a_control_that_is_the_router_is_not_behind_it(test_split, runs):
    twice = {"router": runs[:1], "linear": runs[:1]}
    control = measure(test_split, twice)["controls"]["linear"]
    behind = [control[f"behind_router{end}"] for end in ("", "_low", "_high")]
    assert behind == [0, 0, 0]


def test_all_are_compared_at_exactly_the_budget(test_split):
    """Between always 1 token and the choice of 3 tokens, and from there on to that of 11.75."""
    cheap, good, best = ([0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 2, 0])
    solved = make_run(0, [good, best])
    pairs = np.array([good, best]).T, np.array([best, best]).T
    runs = {
        "router": [replace(solved, equal=Mixture(*pairs, np.array([6 / 8.75, 0.0])))],
        "linear": [
            replace(solved, equal=Mixture(np.array([cheap, good]).T, *pairs[1:], np.ones(2)))
        ],
    }
    results = measure(test_split, runs)
    at = results["router"]["at"]["9"]
    # 3 + 6 tokens: 6 / 8.75 of the way from 2/4 to 3/4 right.
    assert at["tokens"] == 9
    assert at["accuracy"] == pytest.approx(0.5 + 0.25 * 6 / 8.75)
    # What the lambda of the calibration split gives stands beside it.
    assert (at["solved"]["tokens"], at["solved"]["accuracy"]) == (3, 0.5)
    # Lost against 36 tokens: the third question, but for those that the coin sends on.
    assert at["regression_rate"] == pytest.approx((1 - 6 / 8.75) / 4)
    assert at["solved"]["regression_rate"] == 1 / 4
    head = results["headline"]
    assert (head["tokens"], head["share"]) == (9, 0.25)
    assert results["controls"]["linear"]["tokens"] == 11.75


def test_a_router_above_its_limit_is_flagged(test_split, runs):
    """Seed 0 is the oracle; the other one closes nothing at the second budget."""
    above = measure(test_split, {"router": runs[:1], "omniscient": runs[1:]})
    assert above["headline"]["above_omniscient"] is True
    # At the first budget the limit has no gap to close.
    assert above_limit(above).startswith("At 18 tokens the router closes more of the gap")
    alike = measure(test_split, {"router": runs[:1], "omniscient": runs[:1]})
    assert alike["headline"]["above_omniscient"] is False and above_limit(alike) == ""
    head = alike["headline"]
    assert head["of_omniscient"] == head["of_omniscient_low"] == head["of_omniscient_high"] == 1


def test_of_a_limit_that_closes_nothing_there_is_no_share(test_split):
    """Both are below the hull, the router more so; one below nothing is not 200 % of the other."""
    worse, bad = make_run(0, [[2, 0, 0, 0]] * 2), make_run(1, [[2, 1, 0, 0]] * 2)
    results = measure(test_split, {"router": [worse], "omniscient": [bad]})
    limit = results["omniscient"]["at"]["9"]["ogc"]
    assert results["headline"]["ogc_9"] < limit < 0
    assert results["headline"]["of_omniscient"] is None


def test_where_parity_is_not_established_no_figure_of_it_is_given(test_split, runs):
    unsure = replace(runs[0], parity=replace(runs[0].parity, established=False))
    results = measure(test_split, {"router": [unsure]})
    head = results["headline"]
    assert head["parity_established"] is False and head["parity_tokens"] is None
    assert head["parity_drop"] is None and head["accuracy_dearest"] == 0.75
    assert results["costs"]["tokens"]["parity"]["cost"] is None
    sure = measure(test_split, {"router": runs[:1]})
    assert sure["headline"]["parity_established"] is True
    assert sure["costs"]["tokens"]["parity"]["established"] is True


@pytest.mark.parametrize(
    ("scales", "budgets"),
    [
        # A video of 40 frames, two scales, five crops, PaliGemma's ladder, and one scale.
        ((40, 360, 1440, 5760, 23040), (1440, 2880, 5760)),
        ((144, 576), (171, 198, 252)),
        ((5, 45, 180, 720, 2880), (180, 360, 720)),
        ((16, 64, 256), (31, 46, 76)),
        ((256,), (256,)),
    ],
)
def test_budgets_suit_the_ladder(test_split, scales, budgets):
    width = len(scales)
    ladder = replace(
        test_split,
        scores=np.ones((4, width)),
        tokens=np.tile(np.array(scales, float), (4, 1)),
        scales=scales,
    )
    settings = EvaluationSettings.for_ladder(ladder)
    assert settings.targets == budgets
    assert settings.headline == budgets[min(1, len(budgets) - 1)]


def test_families_and_histograms(test_split, runs):
    actual = families(test_split, runs, SETTINGS)
    assert actual["gist"]["n"] == 2 and actual["gist"]["1"] == 0.5 and actual["gist"]["9"] == 1
    assert actual["reading"]["minimal_share"] == {"1": 0, "9": 0, "36": 0.5, "never": 0.5}
    # gist at the headline budget: seed 0 right twice for 5 tokens, seed 1 once for 1 token.
    assert actual["gist"]["routed"] == {"accuracy": 0.75, "tokens": 3}
    shares = histograms(test_split, runs, SETTINGS)
    assert shares["gist"] == {"1": 3 / 4, "9": 1 / 4, "36": 0}
    assert shares["reading"] == {"1": 1, "9": 0, "36": 0}


def test_report_outside(test_split):
    actual = report_outside(test_split, np.array([0, 1, 0, 0]), SETTINGS)
    assert actual["n"] == 4 and actual["fixed"]["36"] == {"accuracy": 0.75, "tokens": 36}
    assert actual["router_at_9"]["ogc"] == 1 and actual["regression_rate"] == 0.25


def test_results_are_json_and_the_same_every_time(test_split, runs, results):
    again = measure(
        test_split, {"router": runs, "question_only": [runs[1]], "omniscient": [runs[0]]}
    )
    assert json.dumps(results, allow_nan=False) == json.dumps(again, allow_nan=False)


def test_describe_split_gives_intervals_around_the_points(test_split):
    fixed = describe_split(PreparedSplit.prepare(test_split, SETTINGS))["fixed"]
    for point in fixed.values():
        assert point["accuracy_low"] <= point["accuracy"] <= point["accuracy_high"]


def test_evaluate_needs_a_router(test_split, runs):
    with pytest.raises(ValueError, match=r'expected runs of "router", got \[\'linear\'\]'):
        measure(test_split, {"linear": runs})


def test_the_headline_has_to_be_a_target():
    with pytest.raises(ValueError, match="headline budget must be one of"):
        EvaluationSettings(targets=(36.0,), headline=72.0)
