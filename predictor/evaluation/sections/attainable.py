"""Whether routing pays, and how much of the oracle is luck: sections `ladder` and `attainable`.

Whether it pays is judged of the saved router, at the operating point at which its own probabilities
promise the most, so that no outcome of the test split has a say in it, and no budget that happens
to be a bad one.
"""

from collections.abc import Sequence

from predictor.bundle.bundle import RouterBundle
from predictor.data import Results, TrainData
from predictor.evaluation.runs import PreparedSplit, SeedRun
from predictor.routing_metrics.ceiling import measure_luck
from predictor.routing_metrics.headroom import measure_headroom
from predictor.routing_metrics.mixing import Mixture
from predictor.training.cross_routing import choose_for_gain


def judge_router(bundle: RouterBundle, test: TrainData) -> Results:
    """Judge whether routing pays.

    Args:
        bundle: the router.
        test: rows to report.

    Returns:
        What `measure_headroom` gives.
    """
    probabilities = bundle.predict_proba(test.coarse, test.question, test.extras)
    paying = bundle.policy.paying  # what lies above it is taken at no budget
    chosen = choose_for_gain(probabilities[:, :paying], test.tokens[:, :paying])
    return measure_headroom(test.scores, test.tokens, test.clusters, chosen, test.repeats)


def bound_gaps(prepared: PreparedSplit, runs: Sequence[SeedRun]) -> Results:
    """Bound what is attainable at each budget, and the share of it that the router attains.

    Args:
        prepared: the prepared test split; where each question was asked once, luck can only be
            bounded.
        runs: the router's, one per seed.

    Returns:
        Budget as text to what `measure_luck` gives of all seeds.
    """
    test, budgets = prepared.test, prepared.settings.targets
    columns = [run.compared.column(place) for place in range(len(budgets)) for run in runs]
    chosen = Mixture.join(columns)
    measured = measure_luck(test.outcomes, test.tokens, test.clusters, chosen, len(runs))
    return {f"{budget:g}": one for budget, one in zip(budgets, measured, strict=True)}
