"""The report as a document: headline, then its chapters, what a reader asks first at the front.

What is not in results.json is left out, so an older file still makes a report.
"""

from collections.abc import Mapping
from typing import Any

from predictor.data import Results
from predictor.report.chapters.comparison import compared, curves
from predictor.report.chapters.gallery import gallery
from predictor.report.chapters.scales import families, fixed, granularity
from predictor.report.chapters.studies import ablation, kinds, learning
from predictor.report.chapters.trust import calibration, certificates, others, outside
from predictor.report.document import Block, Document, Section, Table, Tile
from predictor.report.folder import TITLE
from predictor.report.glossary import explanation
from predictor.report.wording import (
    above_limit,
    attainable,
    banner,
    gap,
    head_budget,
    head_key,
    limit_share,
    number,
    parity_text,
    pays,
    percent,
    points,
    span,
    verdict,
)


def build_document(results: Results) -> Document:
    """Make the report from its results."""
    sections: list[tuple[str, str, list[Block]]] = [
        ("curves", "Accuracy against cost", curves(results)),
        ("compared", "Router, baselines and controls", compared(results)),
        ("kinds", "Kinds of router", kinds(results)),
        ("ablation", "What each block of features adds", ablation(results)),
        ("learning", "Whether more labels would help", learning(results)),
        ("fixed", "Fixed scales and oracles", fixed(results)),
        ("granularity", "Scales that questions need", granularity(results)),
        ("families", "Question families", families(results)),
        ("calibration", "Calibration", calibration(results)),
        ("certificates", "Certificates", certificates(results)),
        ("outside", "Outside the training distribution", outside(results)),
        ("metrics", "Other baselines and metrics", others(results)),
        ("gallery", "Gallery", gallery(results)),
        ("reading", "Definitions", [explanation(results)]),
        ("about", "How this report was made", [_meta_table(results)]),
    ]
    meta = results.get("meta", {})
    facts = [f"{key}: {meta[key]}" for key in ("checkpoint", "code_version") if meta.get(key)]
    return Document(
        title=TITLE,
        lead=_lead(results),
        facts="; ".join(facts),
        tiles=_tiles(results),
        sections=[Section(*section) for section in sections if section[2]],
        banner=banner(results),
    )


def _lead(results: Results) -> str:
    meta = results.get("meta", {})
    return (
        f"{verdict(results)} {meta.get('n_questions', results['headline']['n'])} test questions on "
        f"{meta.get('n_images', '?')} images, answered by the model at "
        f"{', '.join(str(scale) for scale in results['scales'])} visual tokens each. "
        f"Router trained with seeds {', '.join(str(seed) for seed in results.get('seeds', []))}."
    ).lstrip()


def _tiles(results: Results) -> list[Tile]:
    head = results["headline"]
    target = head_budget(results)
    largest = results["scales"][-1]
    return [
        _gain_tile(results),
        Tile(
            f"Accuracy at {target} tokens",
            percent(head.get("accuracy")),
            f"{number(head.get('tokens'))} tokens used; always {largest} tokens: "
            f"{percent(head.get('accuracy_dearest'))}",
        ),
        _parity_tile(results),
        Tile(
            f"Regressions at {target} tokens",
            percent(head.get("regression_rate")),
            f"right at {largest} tokens, wrong as routed; the opposite: "
            f"{percent(head.get('rescue_rate'))}",
        ),
        Tile(
            "Router time per question",
            f"{number(head.get('router_ms'), 3)} ms",
            f"in a batch of 64; {number(head.get('router_ms_single'), 2)} ms in a batch of 1; "
            f"{number(head.get('router_mb'), 2)} MB on disk",
        ),
    ]


def _parity_tile(results: Results) -> Tile:
    """Show the tokens to parity, or that the data cannot say."""
    head = results["headline"]
    if head.get("parity_established") is False:
        drop = percent(results.get("settings", {}).get("parity_drop"))
        return Tile(
            "Tokens to parity",
            parity_text("", established=False),
            f"these splits do not show any choice to lose less than {drop} of the answers",
        )
    ends = (number(head.get(f"parity_tokens_{end}"), 0) for end in ("low", "high"))
    between = span(*ends)
    # `points` turns the sign round, so the high end of the loss is the low end of the change.
    lost = span(points(head.get("parity_drop_high")), points(head.get("parity_drop_low")))
    return Tile(
        "Tokens to parity",
        number(head.get("parity_tokens"), 0),
        f"{f'{between}; ' if between else ''}{percent(head.get('parity_share'))} of the largest "
        f"scale; accuracy {points(head.get('parity_drop'))} points ({lost})",
    )


def _gain_tile(results: Results) -> Tile:
    """Show the gap closed, or, where routing does not pay, what was gained in points."""
    head = results["headline"]
    key = head_key(results)
    level = percent(results.get("settings", {}).get("level", 0.95), 0)
    if not pays(results):
        gained = results["ladder"].get("attainable", {})
        # `points` turns a loss into a change, and what was gained is no loss.
        low, value, high = (
            points(None if gain is None else -gain)
            for gain in map(gained.get, ("gain_low", "gain", "gain_high"))
        )
        return Tile(
            "Gain over mixing fixed scales", value, f"points, 95 % interval {low} to {high}"
        )
    interval = span(gap(head[f"{key}_low"]), gap(head[f"{key}_high"]))
    share = ""
    if head.get("of_omniscient") is not None:
        of_limit = limit_share(head, 0)
        share = f"; {of_limit.main} of the omniscient router's"
        share += f" ({of_limit.small})" if of_limit.small else ""
    if above_limit(results):
        share = "; above the omniscient router, which is no limit here"
    known = attainable(results)
    if known.get("repeats", 1) > 1 and known["ogc"] is not None:
        ends = span(gap(known.get("ogc_low")), gap(known.get("ogc_high")))
        # The ceiling is estimated low, see docs/evaluations.md.
        share += f"; {gap(known['ogc'])} ({ends}) of what luck leaves attainable, probably an "
        share += "overestimate"
    title = f"Gap closed at {head_budget(results)} tokens"
    return Tile(title, gap(head[key]), f"{level} interval {interval}{share}")


def _meta_table(results: Results) -> Table:
    """Make the table of what was run, where and how long it took."""
    flat = _flatten({**results.get("meta", {}), "settings": results.get("settings", {})})
    return Table(("what", "value"), [[key, value] for key, value in flat.items()], wordy=True)


def _flatten(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{name}, "))
        elif value is not None:
            flat[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return flat
