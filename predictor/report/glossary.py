"""The report's page of definitions, with the settings that this run used."""

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
            "(router - hull) / (oracle - hull), all three at the router's own mean cost on the "
            "test split. 0 is no better than mixing fixed scales at random, 1 is the oracle; it "
            "can be negative. Where hull and oracle meet it does not exist."
        ),
        "Hull of fixed scales": (
            "The best accuracy that tossing a coin between two fixed scales reaches at a mean "
            "cost. A router has to beat this, not a single scale."
        ),
        "Oracle at a cost": (
            "The best accuracy that any choice per question reaches at a mean cost, knowing all "
            "outcomes: upgrades are bought in the order of score gained per token. No router can "
            "be above it."
        ),
        "Tokens to parity": (
            "Mean test cost of the cheapest setting that on the calibration split loses at most "
            f"{percent(settings.get('parity_slack'), 2)} against always {largest} tokens. The loss "
            "beside it is measured on the test split, where at most "
            f"{percent(settings.get('parity_drop'))} counts as parity."
        ),
        "Regressions and rescues": (
            f"Share of all questions that are right at {largest} tokens and wrong as routed, and "
            f"the other way round. Right means a score of at least {CORRECT:g}."
        ),
    }


def _comparisons(results: Results) -> dict[str, str]:
    rules = "; ".join(f"{name}: {meaning}" for name, meaning in ORACLE_RULES.items())
    told = {
        "Oracle rules": (
            f"{rules}. Where the rule finds no scale, accuracy and the first column of tokens "
            f"count the {results.get('settings', {}).get('always_wrong', 'cheapest')} scale; the "
            "other columns count the largest or leave the question out. This alone moves the mean "
            "by far, so it is always printed."
        ),
        "Omniscient router": (
            "The same trees, told the question family and the metadata of the generator, such as "
            "the size in pixels of what is asked about. What it leaves open is luck, noise and "
            "what the metadata does not say."
        ),
        "Shuffled labels": (
            "The router trained and calibrated on outcomes that belong to other questions. "
            "Anything but about 0 or less would mean that test outcomes leak into the procedure."
        ),
    }
    told.update(_trust(results))
    floor = results.get("luck_floor")
    if floor is not None:
        told["Luck floor"] = (
            f"Independent guessing at every scale would give an oracle accuracy of "
            f"{percent(floor)}; part of any oracle's lead is of that kind."
        )
    mixed = results.get("non_monotone_share")
    if mixed is not None:
        told["More is not always better"] = (
            f"{percent(mixed)} of the questions are right at some scale and wrong at a larger one."
        )
    return told


def _trust(results: Results) -> dict[str, str]:
    if not results.get("certified"):
        return {}
    return {
        "Promises": (
            "Lambdas are tried in a fixed order, safest first, while the calibration split rejects "
            "that the share of regressions among an image's questions exceeds the bound "
            "(Learn-then-Test; images are independent, their questions are not). Broken and cost: "
            "over calibration splits drawn from all held-out images, beside the cheapest lambda "
            "that keeps the bound there. Dealt anew: the held-out images are split in two at "
            "random, one part certifies and the other judges; a part is small, so chance alone "
            "breaks some promises there that hold for all images."
        ),
        "Confidence cascade": (
            "Answers at the cheapest scale and goes up while the answer's mean log-probability is "
            "below a threshold solved on the calibration split. All scales that ran are paid."
        ),
        "APGR, CPT, AIQ, nAUC, QNC": (
            "Gap between the cheapest and the largest scale that is recovered, averaged over the "
            "cost; share of the cost that recovers half and 80 % of it (RouteLLM); area under the "
            "hull of the curve (RouterBench) and under its Pareto front, over the range of costs; "
            "cost that equals the best fixed scale, relative to it (MMR-Bench)."
        ),
    }


def _method(results: Results) -> dict[str, str]:
    settings = results.get("settings", {})
    level = percent(settings.get("level", 0.95), 0)
    seeds = ", ".join(str(seed) for seed in results.get("seeds", []))
    return {
        "Seeds": (
            f"Everything is trained once for each of the seeds {seeds}; a number is the mean over "
            "them, a curve the mean at the same calibration budget."
        ),
        "Intervals": (
            f"{level} of {settings.get('n_resamples', '?')} bootstrap draws, pooled over the "
            "seeds. Whole images are drawn, since questions of one image depend on each other; "
            "router, fixed scales and oracle are measured in the same draws. Seed of the draws: "
            f"{settings.get('seed', '?')}."
        ),
        "Splits": (
            "By image. The router learns on one split, probabilities are calibrated and lambda is "
            "solved on a second, and the test split is only reported. The curve is swept over "
            "calibration budgets; no setting is chosen on it."
        ),
        "Decision": (
            "argmax over scales of P(correct) - lambda x visual tokens, ties to the cheaper. "
            f"Lambda at the headline budget: {_lambda(results)}."
        ),
    }


def _lambda(results: Results) -> str:
    at = results["router"]["at"].get(f"{results['headline']['target']:g}", {})
    value = at.get("lambda")
    return gap(None) if value is None else f"{float(value):.2e}"
