"""The verdict on an outcome table in one sentence: is it worth routing over?

A router's gain is judged by its 95 % interval: worth it if that is above nothing and reaches
`WORTH`, not worth it if it ends below `WORTH`. A table alone shows at best that routing is
possible: what it would gain if features told the classes of questions, and if outcomes at different
scales did not share their luck. Neither is asked for where even an oracle gains less.
"""

from typing import Final

from predictor.data import Results

WORTH: Final = 0.02
"""A gain over mixing fixed scales that is worth a router [share of questions]."""

FEWEST: Final = 50
"""Images below which a bootstrap by image is too narrow to go by."""

SETTLE: Final = (
    "features (m3scale features) or repeated runs of the same questions (m3scale label --repeats) "
    "would show"
)

WORDS: Final = {
    "worth": "Worth routing",
    "possible": "Perhaps worth routing",
    "undecided": "Undecided",
    "unshown": "Not shown to be worth routing",
    "luck": "Not shown to be worth routing",
}
"""Verdict to the words that the sentence starts with; of all others it is that it is not."""


def decide(headroom: Results) -> tuple[str, str]:
    """Judge a table.

    Args:
        headroom: what `measure_headroom` measured.

    Returns:
        The sentence, after one of these words: `worth`; `small` (a router gains little or nothing);
        of a table alone `possible`, `luck` (it shows no more than luck would) or `unshown` (it
        shows more, but not whether questions differ in need); of any `undecided`, and `flat` or
        `alike` (even an oracle gains nothing).
    """
    verdict, reason = _judge_ladder(headroom) or (
        _judge_router(headroom)
        if headroom["attainable"]["from"] == "router"
        else _judge_repeats(headroom)
        if headroom["repeats"] > 1
        else _judge_table(headroom)
    )
    return verdict, f"{WORDS.get(verdict, 'Not worth routing')}: {reason}"


def _judge_ladder(headroom: Results) -> tuple[str, str] | None:
    """Judge by the number of images, the fixed scales and the oracle; None if these do not tell."""
    fixed = headroom["fixed"]
    cheapest, best = fixed[0], max(fixed, key=lambda point: point["accuracy"])
    top = _top(headroom)
    if len(fixed) == 1:
        return "flat", "there is one scale, so there is nothing to choose."
    if headroom["images"] < FEWEST:
        return "undecided", (
            f"{headroom['n']} questions on {headroom['images']} images are too few, at least "
            f"{FEWEST} images are needed; label more."
        )
    if top >= WORTH:
        return None
    if best["accuracy"] - cheapest["accuracy"] < WORTH:
        return "flat", (
            f"the ladder is flat, {cheapest['tokens']:.0f} tokens ({cheapest['accuracy']:.3f}) do "
            f"what {best['tokens']:.0f} do ({best['accuracy']:.3f}); always use the cheapest scale."
        )
    return "alike", (
        f"choosing per question gains at most {_points(top)} over mixing fixed scales even in "
        f"hindsight, so always use {best['tokens']:.0f} tokens."
    )


def _judge_router(headroom: Results) -> tuple[str, str]:
    """Judge by what a router gained."""
    gained = headroom["attainable"]
    what = (
        f"on images that it has not seen a router gets {gained['accuracy']:.3f} at "
        f"{gained['tokens']:.0f} tokens per question, where mixing fixed scales gets "
        f"{gained['hull']:.3f} ({_with_interval(gained)})"
    )
    if gained["gain_high"] < WORTH:
        most = _points(_top(headroom))
        return "small", f"{what}; this router gets little of the oracle's {most}."
    if gained["gain_low"] > 0:
        return "worth", f"{what}."
    return "undecided", f"{what}; label more."


def _judge_repeats(headroom: Results) -> tuple[str, str]:
    """Judge by what knowing the probabilities would gain, which repeats show."""
    gained = headroom["attainable"]
    if headroom["shift"]:
        return "undecided", f"{headroom['shift']}."
    what = (
        f"of questions asked {headroom['repeats']} times an oracle on estimated success "
        f"probabilities (from repeats) gets {gained['accuracy']:.3f} at {gained['tokens']:.0f} "
        f"tokens per question, where mixing fixed scales gets {gained['hull']:.3f} "
        f"({_with_interval(gained)})"
    )
    if gained["gain_high"] < WORTH:
        return "luck", f"{what}; the rest of the oracle's {_points(_top(headroom))} is luck."
    if gained["gain_low"] >= WORTH:
        return "possible", f"{what}; whether features tell them beforehand, a router would show."
    return "undecided", f"{what}; label more."


def _judge_table(headroom: Results) -> tuple[str, str]:
    """Judge by what the table alone shows."""
    gained, luck = headroom["attainable"], headroom["luck"]
    oracle = f"the oracle's {_points(_top(headroom))} above mixing fixed scales"
    if gained["classes"] > 1 and gained["gain_high"] >= WORTH:
        what = (
            f"an oracle on {gained['classes']} latent classes of questions (from one run) gets "
            f"{gained['accuracy']:.3f} at {gained['tokens']:.0f} tokens per question, where "
            f"mixing fixed scales gets {gained['hull']:.3f} "
            f"({_with_interval(gained)})"
        )
        if gained["gain_low"] >= WORTH:
            return "possible", f"{what}; whether anything tells the class beforehand, {SETTLE}."
        return "undecided", f"{what}; label more."
    if headroom["graded"]:
        return "unshown", (
            f"partial scores of questions asked once do not show how much of {oracle} is luck; "
            f"{SETTLE}."
        )
    if _top(headroom) <= luck["gain_high"]:
        return "luck", (
            f"{oracle} are no more than luck alone gives ({_points(luck['gain'])}); the table "
            "alone does not tell scales that complement each other from luck. Which it is, "
            f"{SETTLE}."
        )
    return "unshown", (
        f"{oracle} are more than independent luck gives ({_points(luck['gain'])}), but "
        "the table alone does not tell scales that complement each other from scales that are "
        f"lucky in turn. Which it is, {SETTLE}."
    )


def _top(headroom: Results) -> float:
    return max(float(point["headroom"]) for point in headroom["headroom"])


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _with_interval(gained: Results) -> str:
    low, high = 100 * gained["gain_low"], 100 * gained["gain_high"]
    return f"{_points(gained['gain'])}, 95 % interval {low:.1f} to {high:.1f}"
