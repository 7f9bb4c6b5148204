"""The report's definitions, with the settings that this run used."""

from typing import Final

from labels.oracle import CORRECT, ORACLE_RULES
from predictor.data import Results
from predictor.report.document import Terms
from predictor.report.wording import gap, percent


def explanation(results: Results) -> Terms:
    """Say what every number means."""
    return Terms({**_measures(results), **_comparisons(results), **_method(results)})


def _measures(results: Results) -> dict[str, str]:
    settings = results.get("settings", {})
    largest = results["scales"][-1]
    return {
        "Gap closed (OGC)": (
            "(router - hull) / (oracle - hull), all three at the same mean cost on the test split. "
            "0 is no better than mixing fixed scales at random, 1 is the oracle; it "
            "can be negative. Where hull and oracle meet it is undefined."
        ),
        "Hull of fixed scales": (
            "The convex hull of the fixed operating points: the best accuracy at a mean cost that "
            "a random choice between two fixed scales reaches. A router has to beat this, not a "
            "single scale."
        ),
        "Oracle at a cost": (
            "The best accuracy that any choice per question reaches at a mean cost, with all "
            "outcomes known: upgrades are bought in the order of score gained per token. No router "
            "can be above it."
        ),
        "Tokens to parity": (
            "Mean test cost of the cheapest operating point whose accuracy drop against always "
            f"{largest} tokens is shown on the calibration split to be less than "
            f"{percent(settings.get('parity_drop'))}: points are tried from the dearest down until "
            "the upper end of the drop, at 95 % confidence over images, reaches that; scales that "
            "are not shown to pay are not taken. The confidence is nominal, and this is no "
            "certificate: the bound is a normal approximation, on the split that also calibrated "
            "the probabilities. Interval and drop are those of the test split and the trainings. "
            "Not established: no point is shown to."
        ),
        "Regressions and rescues": (
            f"Regressions (negative flips) are the share of all questions that are right at "
            f"{largest} tokens and wrong as routed; rescues (positive flips) are the opposite. "
            f"Right means a score of at least {CORRECT:g}."
        ),
    }


def _comparisons(results: Results) -> dict[str, str]:
    rules = "; ".join(f"{name}: {meaning}" for name, meaning in ORACLE_RULES.items())
    terms = {
        "Oracle rules": (
            f"{rules}. Where the rule finds no scale, accuracy and the first column of tokens "
            f"count the {results.get('settings', {}).get('always_wrong', 'cheapest')} scale; the "
            "other columns count the largest or leave the question out. This convention alone "
            "moves the mean a lot, so it is always printed."
        ),
        "Omniscient router": (
            "Trees that see the question family and the metadata instead of features: of built-in "
            "scenes the size and place of what is asked about, how it lies to the cells that "
            "tokens pool, its neighbours there and its contrast. They are tuned like the router "
            "and learn from all labelled images but those of the fold they predict. What they "
            "still miss is luck, noise and what the metadata does not say; a router above them is "
            "flagged."
        ),
        "Shuffled labels": (
            "A control: the router trained and calibrated on the outcomes of other questions. A "
            "value clearly above 0 would mean that test outcomes leak into the procedure; one at 0 "
            "does not exclude every leak."
        ),
    }
    if results.get("fallback"):
        terms.update(_FALLBACK)
    if results.get("certified"):
        terms.update(_TRUST)
    floor = results.get("luck_floor")
    if floor is not None:
        terms["Luck floor"] = (
            f"Independent guessing at every scale would give an oracle accuracy of "
            f"{percent(floor)}; a part of any oracle's lead is of that kind."
        )
    mixed = results.get("non_monotone_share")
    if mixed is not None:
        terms["More is not always better"] = (
            f"{percent(mixed)} of the questions are right at some scale and wrong at a larger one."
        )
    return terms


_FALLBACK: Final = {
    "Unfamiliar inputs": (
        "Out-of-distribution inputs: farther from the training split than all but a given share of "
        "the calibration split is. The fallback reads them at the largest scale; all figures are "
        "without it but where it is named."
    ),
}

_TRUST: Final = {
    "Certificates": (
        "Lambdas are tested in a fixed order, safest first, for as long as the calibration split "
        "rejects that the loss exceeds the bound (Learn-then-Test; images are independent, their "
        "questions are not; every lambda comes from the training split). Violation rate "
        "and cost ratio are over calibration splits drawn from all held-out images; the ratio is "
        "of their mean cost to that of the cheapest lambda that keeps the bound on all of these "
        "images. The tokens of the cheapest safe threshold are of the test split alone, so the "
        "ratio is not the quotient of two columns. Re-split: the "
        "held-out images are split in two at random, one part certifies and the other tests. A "
        "part is small, so the bound is violated by chance in some parts although it holds over "
        "all images."
    ),
    "Confidence cascade": (
        "Answers at the cheapest scale and goes to the next one while the answer's mean "
        "log-probability is below a threshold solved on the calibration split. All scales that ran "
        "count towards its cost."
    ),
    "APGR, CPT, AIQ, nAUC, QNC": (
        "Gap between the cheapest and the largest scale that is recovered, averaged over the "
        "cost; share of the cost that recovers 50 % and 80 % of it (RouteLLM); area under the "
        "hull of the curve (RouterBench) and under its Pareto front, over the range of costs; "
        "cost that equals the best fixed scale, relative to it (MMR-Bench)."
    ),
}


EQUAL: Final = (
    " In the comparison at equal cost the operating points are those whose mean cost on the test "
    "split is the budget; curves, parity, families and gallery use the lambda that the calibration "
    "split solved."
)


def _method(results: Results) -> dict[str, str]:
    settings = results.get("settings", {})
    level = percent(settings.get("level", 0.95), 0)
    seeds = ", ".join(str(seed) for seed in results.get("seeds", []))
    # Older results, which have no share, used the lambda of the calibration split for all.
    equal = "" if results["headline"].get("share") is None else EQUAL
    return {
        "Seeds": (
            f"Everything is trained once for each of the seeds {seeds}; a number is the mean over "
            "them if nothing else is said, a curve the mean at the same budget on the calibration "
            "split. Those of the first seed alone, whose router is kept: the opening verdict, "
            "certificates, families left out, the gallery, rephrased questions, the router's time "
            "and size, the fallback and unseen content."
        ),
        "Intervals": (
            f"{level} of {settings.get('n_resamples', '?')} bootstrap draws, pooled over the "
            "seeds. Whole images are drawn, since questions about one image depend on each other; "
            "router, fixed scales and oracle are measured in the same draws. Seed of the draws: "
            f"{settings.get('seed', '?')}."
        ),
        "Splits": (
            "By image. The router learns on one split, probabilities are calibrated and lambda is "
            "solved on a second, and no outcome of the third, the test split, chooses anything of "
            "the router. The limit, the cheapest safe threshold and the worst family do use them."
            f"{equal}"
        ),
        "Decision": (
            "argmax over scales, of those that the calibration split shows to pay, of P(correct) - "
            "lambda x visual tokens, ties to the cheaper. "
            f"Lambda at the headline budget: {_lambda(results)}."
        ),
    }


def _lambda(results: Results) -> str:
    at = results["router"]["at"].get(f"{results['headline']['target']:g}", {})
    value = at.get("lambda")
    return gap(None) if value is None else f"{float(value):.2e}"
