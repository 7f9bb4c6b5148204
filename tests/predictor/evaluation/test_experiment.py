"""The whole protocol on a small world whose answer is known."""

import json
import weakref
from dataclasses import replace

import numpy as np
import pytest

from m3_backbone.schemas import parse_saved
from m3_backbone.serialization import json_ready
from predictor.data import TrainData
from predictor.evaluation import experiment, trainings
from predictor.evaluation.experiment import _leave_out, run_experiment
from predictor.evaluation.methods import Estimate, list_methods
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, Splits
from predictor.evaluation.sections.timing import measure_router
from predictor.evaluation.sweeps import SweepSettings, _pack, choose_all
from predictor.evaluation.trainings import ExperimentSettings
from predictor.features.blocks import FeatureSettings
from predictor.report.folder import SavedResults
from predictor.routers.boosted import BoostedSettings
from predictor.routers.linear import LinearSettings
from predictor.routers.mlp import MlpSettings
from predictor.training.train import TrainSettings, fit_features, train_bundle
from predictor.training.tuning import TuningSettings

SCALES = (1, 9, 36)
FAST = TrainSettings(
    boosted=BoostedSettings(trees=20, shared_trees=20, min_rows=10, threads=1),
    mlp=MlpSettings(hidden=8, epochs=8),
)
KINDS = ["blend", "constant", "linear", "mlp", "knn", "ordinal", "mlp_rank", "mlp_cost"]
SETTINGS = ExperimentSettings(
    seeds=(0, 1),
    train=FAST,
    evaluation=EvaluationSettings((9.0, 18.0), 9.0, n_resamples=100, parity_drop=0.03),
    curve_points=8,
)


def make_world(n_images, seed, first):
    """Make questions whose need is the sum of a bit in the picture and a bit in the question.

    Neither bit alone gives the scale away: only both together do.
    """
    rng = np.random.default_rng(seed)
    n, width = n_images * 4, 6
    image = np.repeat(np.arange(n_images), 4)
    pictured = rng.integers(0, 2, n_images)[image]
    asked = rng.integers(0, 2, n)
    coarse = rng.normal(0, 0.2, (n_images, 10, width))[image]
    coarse[..., 0] += 2.0 * pictured[:, None]
    question = rng.normal(0, 0.2, (n, width))
    question[:, 1] += 2.0 * asked
    need = pictured + asked
    return TrainData(
        sample_ids=np.array([f"{first}{row}" for row in range(n)]),
        image_ids=np.array([f"{first}{k}" for k in image]),
        groups=np.where(rng.random(n) < 0.5, "gist", "reading"),
        coarse=coarse.astype(np.float32),
        question=question.astype(np.float32),
        scores=(np.arange(3)[None] >= need[:, None]).astype(float),
        tokens=np.tile(np.array(SCALES, float), (n, 1)),
        scales=SCALES,
        meta=np.column_stack((need, np.where(asked, 2.0, np.nan))).astype(np.float32),
        meta_names=("need", "options"),
        confidence=-0.1 * (np.arange(3)[None] < need[:, None]) - 0.01,
        lengths=np.full(n, 20.0),
        costs={"ms": np.tile([10.0, 11.0, 40.0], (n, 1))},
    )


@pytest.fixture(scope="module")
def splits():
    return make_world(100, 1, "train"), make_world(60, 2, "cal"), make_world(60, 3, "test")


@pytest.fixture(scope="module")
def outcome(splits):
    calls = []
    results = run_experiment(*splits, SETTINGS, lambda *call: calls.append(call))
    return json_ready(results, digits=7), calls


def test_the_router_finds_what_both_inputs_together_tell(outcome):
    head = outcome[0]["headline"]
    assert head["ogc_9"] > 0.8
    assert head["parity_drop"] < 0.03 and head["parity_share"] < 0.6


def test_the_omniscient_router_is_the_limit(outcome):
    assert outcome[0]["omniscient"]["at"]["18"]["ogc"] > 0.95


@pytest.mark.parametrize("name", ["question_only", "image_only", "family_only"])
def test_half_blind_routers_are_behind(outcome, name):
    control = outcome[0]["controls"][name]
    assert control["behind_router"] > 0.1
    assert control["behind_router_low"] > 0


@pytest.mark.parametrize(
    "name", ["shuffled_labels", "shuffled_routing", "random_features", "length_only"]
)
def test_controls_close_no_gap(outcome, name):
    assert (outcome[0]["controls"][name]["ogc_9"] or 0.0) < 0.15


def test_a_perfect_confidence_makes_a_cascade_that_pays_for_every_step(outcome):
    """Needs 0, 1, 2 come 1 : 2 : 1, so going up costs (1 + 2 x 10 + 46) / 4 tokens, all right."""
    largest = outcome[0]["cascade"]["at"]["18"]
    assert largest["accuracy"] > 0.9
    assert largest["tokens"] == pytest.approx(16.75, abs=3)


def test_certificates_that_need_more_images_are_named(outcome):
    level = {"alpha": 0.02, "delta": 0.1, "images": 60, "needed": 114}
    actual = outcome[0]["certified"]["regression:0.02,0.1"]
    assert {name: actual[name] for name in level} == level


def test_every_method_is_reported_for_every_seed(outcome):
    results, calls = outcome
    names = ["router", *KINDS, "question_only", "image_only", "family_only"]
    names += ["random_features", "shuffled_labels", "length_only"]
    assert [name for name, _, _ in calls] == [*names, "omniscient"] * 2
    assert [(done, total) for _, done, total in calls] == [(k, 32) for k in range(1, 33)]
    assert list(results["baselines"]) == [*names[1:], "shuffled_routing"]
    assert results["seeds"] == results["meta"]["seeds"] == [0, 1]
    assert len(results["router"]["at"]["9"]["per_seed"]) == 2


def test_results_are_json_with_the_stable_keys(outcome, splits):
    results = outcome[0]
    text = json.dumps(results, allow_nan=False)
    # As a report is read again.
    assert parse_saved(SavedResults, text.encode(), "results.json", "").headline["n"] == 240
    wanted = {"meta", "fixed", "oracle", "omniscient", "router", "headline", "controls", "families"}
    assert wanted <= set(results)
    head = {"ogc_9", "ogc_9_low", "ogc_9_high", "parity_tokens", "parity_share", "regression_rate"}
    assert head | {"router_ms", "router_mb", "n"} <= set(results["headline"])
    assert results["meta"]["n_questions"] == 240 and results["meta"]["n_images"] == 60
    assert results["meta"]["splits"]["train"]["fingerprint"] == splits[0].fingerprint()
    timings = {"train_router_s", "train_all_s", "evaluate_s", "studies_s"}
    assert set(results["meta"]["timings"]) == timings


def test_the_kinds_are_sorted_by_the_calibration_split(outcome):
    rows = outcome[0]["zoo"]
    assert {row["name"] for row in rows} == {"boosted", *(name.replace("_", " ") for name in KINDS)}
    gaps = [row["calibration_ogc_9"] or 0.0 for row in rows]
    assert gaps == sorted(gaps, reverse=True)
    [ours] = [row for row in rows if row["is_default"]]
    assert ours["ogc_9"] == outcome[0]["headline"]["ogc_9"] and ours["behind_router"] is None
    assert ours["parity_tokens"] == pytest.approx(outcome[0]["headline"]["parity_tokens"])
    assert ours["settings"]["trees"] == 20 and ours["seeds"] == 2


def test_blocks_and_families_are_left_out_in_turn(outcome):
    """Neither bit alone gives the scale away, so a row without the question is worth little."""
    results = outcome[0]
    rows = {row["block"]: row for row in results["ablation"]["rows"]}
    assert set(rows) == {"one", "grid", "statistics", "question", "interactions"}
    assert rows["question"]["loss"] > 0.1 and rows["question"]["loss_low"] > 0
    assert rows["interactions"]["ogc_9_alone"] > rows["one"]["ogc_9_alone"]
    assert results["ablation"]["seeds"] == len(results["meta"]["seeds"])
    assert set(results["leave_one_out"]) == {"gist", "reading"}
    few, *_, every = results["learning_curve"]["rows"]
    assert few["images"] < every["images"] == results["meta"]["splits"]["train"]["images"]
    assert few["ogc_9"] < every["ogc_9"] == pytest.approx(results["headline"]["ogc_9"])
    # The families of this world are names only: what is left out is known from the other.
    assert results["leave_one_out"]["gist"]["ogc_9"] > 0.6


def test_what_is_attainable_is_of_all_seeds_at_each_budget(outcome):
    results = outcome[0]
    for budget, point in results["attainable"].items():
        routed = results["router"]["at"][budget]
        assert point["trainings"] == 2
        # Without repeats the oracle is the same.
        for known, actual in (
            ("tokens", "tokens"),
            ("accuracy", "accuracy"),
            ("ogc", "ogc_oracle"),
        ):
            assert point[actual] == pytest.approx(routed[known])
    assert list(results["attainable"]) == list(results["router"]["at"])


def test_what_it_takes_to_measure_an_optional_block_counts(splits):
    """As `m3scale ablate` counts it: a state that takes a second outweighs everything else."""
    known = Splits(*(replace(split, extras={"state": split.question}) for split in splits))
    train = TrainSettings(kind="linear", features=FeatureSettings(blocks=("question", "state")))
    belief = np.tile(0.6, (240, 3))
    at = SweepSettings(targets=(9.0, 18.0), curve_points=4, parity_drop=0.005)
    run = choose_all(Estimate(belief, belief), known, at, seed=0)
    timed = replace(SETTINGS, seeds=(0,), extras_ms={"state": 1000.0})
    for settings, cost, unmeasured in ((timed, 1000, []), (SETTINGS, 0, ["state"])):
        study = _leave_out(known, train, run, settings)["ablation"]
        costs = {row["block"]: row["ms"] for row in study["rows"]}
        assert costs["state"] == pytest.approx(cost, abs=50) and abs(costs["question"]) < 50
        assert study["unmeasured"] == unmeasured


def test_of_a_router_of_one_block_none_is_left_out(splits):
    known = Splits(*splits)
    train = TrainSettings(kind="linear", features=FeatureSettings(blocks=("question",)))
    belief = np.tile(0.6, (240, 3))
    at = SweepSettings(targets=(9.0, 18.0), curve_points=4, parity_drop=0.005)
    run = choose_all(Estimate(belief, belief), known, at, seed=0)
    assert set(_leave_out(known, train, run, SETTINGS)) == {"leave_one_out"}


def test_costs_are_counted_in_every_unit(outcome):
    """Two cheap scales cost nearly the same time, so a router in ms takes the second of them."""
    costs, head = outcome[0]["costs"], outcome[0]["headline"]
    assert set(costs) == {"tokens", "ms"}
    # The same point, so the same interval.
    for end in ("", "_low", "_high"):
        actual = costs["tokens"]["parity"][f"cost{end}"]
        assert actual == pytest.approx(head[f"parity_tokens{end}"])
    assert costs["ms"]["fixed"]["36"]["cost"] == 40.0
    assert costs["ms"]["router"][0]["cost"] == 10.0
    assert costs["ms"]["router"][-1]["cost"] <= 40.0
    point = costs["ms"]["router"][3]
    assert point["accuracy_low"] <= point["accuracy"] <= point["accuracy_high"]
    assert 0 <= point["rescue_rate"] <= 1


def test_the_luck_floor_comes_from_the_number_of_options(outcome, splits):
    # Two options or none: 1 - (1/2)^3 for those that have them.
    share = np.mean(splits[2].meta[:, 1] == 2)
    assert outcome[0]["luck_floor"] == pytest.approx(7 / 8 * share)


def test_without_metadata_there_is_no_omniscient_router(splits):
    bare = [replace(part, meta=None, meta_names=()) for part in splits]
    quick = replace(SETTINGS, seeds=(0,), studies=False, train=replace(FAST, kind="linear"))
    results = run_experiment(*bare, quick)
    assert results["omniscient"] is None and results["luck_floor"] is None


def test_the_test_split_may_share_no_image(splits):
    train, calibration, test = splits
    with pytest.raises(ValueError, match="shares 60 images"):
        run_experiment(train, calibration, replace(test, image_ids=calibration.image_ids))


def test_an_experiment_needs_a_seed_and_a_job(splits):
    with pytest.raises(ValueError, match=r"at least one seed and one job, got seeds \(\)"):
        run_experiment(*splits, replace(SETTINGS, seeds=()))
    with pytest.raises(ValueError, match="and 0 jobs"):
        run_experiment(*splits, replace(SETTINGS, jobs=0))


def test_the_router_is_as_it_was_given_and_the_others_are_tuned_from_theirs(splits, monkeypatch):
    def tune(_, settings):
        if settings.tuning is None:
            return settings
        return replace(settings, linear=LinearSettings(l2=7.0), tuning=None)

    monkeypatch.setattr(trainings, "tune_settings", tune)
    monkeypatch.setattr(trainings, "tune_limit", lambda _, settings: settings)
    others = TrainSettings(tuning=TuningSettings())
    planned = replace(SETTINGS, train=FAST, others=others, studies=False)
    plans = trainings.plan_all(Splits(*splits), planned)
    assert plans["router"].settings == plans["question_only"].settings == FAST
    assert plans["linear"].settings.linear.l2 == 7.0
    assert plans["linear"].settings.boosted == BoostedSettings()
    assert plans["omniscient"].settings == others
    # Without them all are tuned from the router's, which is tuned itself.
    planned = replace(planned, train=replace(FAST, tuning=TuningSettings()), others=None)
    plans = trainings.plan_all(Splits(*splits), planned)
    assert plans["router"].settings.linear.l2 == plans["linear"].settings.linear.l2 == 7.0
    assert plans["linear"].settings.boosted == FAST.boosted


def test_jobs_change_nothing_but_the_time(outcome, splits):
    alone = json_ready(run_experiment(*splits, replace(SETTINGS, jobs=1, studies=False)), digits=7)
    for section in ("router", "omniscient", "families"):
        assert alone[section] == outcome[0][section]
    # Without the studies fewer kinds of router stand beside it.
    for name, actual in {**alone["baselines"], **alone["controls"]}.items():
        assert actual == {**outcome[0]["baselines"], **outcome[0]["controls"]}[name]


def test_the_test_split_is_prepared_once(splits, monkeypatch):
    """Its resamples are a thousand numbers for each image, and sections share them."""
    prepared = []
    prepare = PreparedSplit.prepare

    def watch(test, settings):
        prepared.append(test)
        return prepare(test, settings)

    monkeypatch.setattr(PreparedSplit, "prepare", watch)
    quick = replace(SETTINGS, seeds=(0,), studies=False, train=replace(FAST, kind="linear"))
    run_experiment(*splits, quick)
    assert prepared == [splits[2]]


def test_test_scores_do_not_reach_any_choice(splits):
    """Other test outcomes, same choices: nothing is solved or picked on the test split."""
    train, calibration, test = splits
    other = replace(test, scores=1.0 - test.scores)
    at = SweepSettings(targets=(9.0,), curve_points=4, parity_drop=0.005)
    actual = []
    for part in (test, other):
        all_three = Splits(train, calibration, part)
        estimate = list_methods(all_three)["linear"](all_three, FAST)
        actual.append(choose_all(estimate, all_three, at, seed=0))
    for name in ("curve", "at", "parity"):
        first, second = (getattr(run, name) for run in actual)
        np.testing.assert_array_equal(first.chosen, second.chosen)
        np.testing.assert_array_equal(first.lambdas, second.lambdas)


def test_parity_that_is_not_shown_is_not_established(splits):
    """A router that believes in the cheapest scale only never gets there."""
    all_three = Splits(*splits)
    belief = np.tile([0.9, 0.1, 0.1], (240, 1))
    at = SweepSettings(targets=(9.0,), curve_points=4, parity_drop=0.005)
    run = choose_all(Estimate(belief, belief), all_three, at, seed=0)
    assert not run.parity.established
    assert (run.at.chosen == 0).all()


def test_a_scale_that_does_not_pay_may_be_the_cheapest_in_another_unit(splits):
    """A flat ladder takes the cheapest scale in tokens alone, though the next one is faster."""
    flat = [
        replace(
            split,
            scores=split.scores[:, [0, 0, 0]],
            costs={"ms": np.tile([5.2, 5.0, 9.0], (len(split), 1))},
        )
        for split in splits
    ]
    belief = np.tile(0.6, (240, 3))
    at = SweepSettings(targets=(9.0,), curve_points=4, parity_drop=0.005)
    run = choose_all(Estimate(belief, belief), Splits(*flat), at, seed=0)
    curve, parity = run.others["ms"]
    assert curve.budgets[0] == parity.budgets[0] == pytest.approx(5.2)
    assert (curve.chosen == 0).all()


def test_every_contestant_spends_the_budget_exactly(splits):
    """Also one that knows two kinds of questions only, and so jumps over the budget."""
    all_three = Splits(*splits)
    rng = np.random.default_rng(0)
    for sharp in (False, True):
        belief = [np.sort(rng.random((len(split), 3)), axis=1) for split in splits[1:]]
        if sharp:
            belief = [
                np.where(rows[:, :1] < 0.3, (0.1, 0.5, 0.9), (0.9, 0.91, 0.92)) for rows in belief
            ]
        at = SweepSettings(targets=(9.0, 18.0), curve_points=4, parity_drop=0.005)
        run = choose_all(Estimate(*belief), all_three, at, seed=0)
        np.testing.assert_allclose(run.compared.pick(splits[2].tokens).mean(axis=0), (9.0, 18.0))


def test_little_is_kept_of_a_training(splits, monkeypatch):
    """Byte by byte for each test question: all trainings are kept until the report is drawn."""
    kept = {}

    def watch(_, runs):
        kept.update(runs)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "evaluate", watch)
    quick = replace(SETTINGS, seeds=(0,), studies=False, train=replace(FAST, kind="linear"))
    with pytest.raises(KeyboardInterrupt):
        run_experiment(*splits, quick)
    # Other units are reported of these two, probabilities of the router alone.
    assert {name for name, [run] in kept.items() if run.others} == {"router", "omniscient"}
    assert [name for name, [run] in kept.items() if run.probabilities is not None] == ["router"]
    for [run] in kept.values():
        pairs = [(run.curve, run.parity), *run.others.values()]
        sweeps = [run.at, *(sweep for pair in pairs for sweep in pair)]
        assert {sweep.chosen.itemsize for sweep in sweeps} == {1}
        assert run.compared.first.itemsize == 1


def test_many_scales_are_numbered_right():
    chosen = np.array([3, 127])
    assert _pack(chosen).dtype == np.int8
    assert _pack(np.array([3, 128])).tolist() == [3, 128]


def test_features_of_one_seed_at_a_time_are_held(splits, monkeypatch):
    seen = []

    def watch(*arguments):
        # Those of the last seed are gone.
        assert all(rows() is None for rows in seen)
        fitted = fit_features(*arguments)
        seen.append(weakref.ref(fitted[1]))
        return fitted

    monkeypatch.setattr(trainings, "fit_features", watch)
    three = replace(SETTINGS, seeds=(0, 1, 2), studies=False, train=replace(FAST, kind="linear"))
    run_experiment(*splits, three)
    assert len(seen) == 3


def test_measure_router(splits):
    bundle = train_bundle(*splits[:2], FAST)
    actual = measure_router(bundle, splits[2], repeats=2)
    assert actual["router_mb"] == round(bundle.size_bytes() / 1e6, 4)
    assert 0 < actual["router_ms"] < actual["router_ms_single"] < 1000
