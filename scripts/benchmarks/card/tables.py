"""The tables of a card as Markdown, from ladders. What one lacks is a dash; nothing is measured."""

import math
from collections.abc import Callable, Mapping, Sequence

from labels.scenes.draws import ALIGNED, SCENES_V3
from predictor.report.document import Cell, Cells, Table
from predictor.report.markdown import write_table
from predictor.report.wording import MISSING, number, points, span, tokens_text
from scripts.benchmarks.card.ladders import BEFORE, NOW, Ladders, first_source, list_scales
from scripts.benchmarks.ladder import ALL, NONE

UNSEEN = {
    "test": "nothing but the scenes",
    "patterns": "the order of words in a question",
    "words": "a word of each question",
    "fonts": "the fonts",
    "backgrounds": "what lies behind the things",
    "jpeg": "stronger JPEG compression",
    ALIGNED: "nothing but the scenes; all lies on the raster of patches",
}
"""Split of the wide draw -> what of it is never in its training."""

OTHER_DRAW = "another draw of the benchmark"
INTERVAL = "95 % interval"

Found = Mapping[str, Ladders]
"""What `read_ladders` gives."""

Value = Callable[[Ladders], float | None]
"""A figure of a model; None where it was not measured."""


def build_tables(found: Found) -> str:
    """Write all tables of a card, each under a heading, and what they were measured by.

    Args:
        found: name of a ladder -> what it holds.

    Returns:
        Markdown.
    """
    known = first_source(found[NOW])
    scales = list_scales(found[NOW].row(known))
    parts = [
        "Shares of right answers, greedy; in brackets those of the weights before these. Intervals "
        "are by a bootstrap over images.",
        f"### By family and scale\n\nOn `{known}`, by visual tokens.",
        write_table(_list_families(found, known, scales)),
        f"### By what is unseen\n\nAt {tokens_text(scales[-1])}; ratios are to `{known}`, their "
        "intervals those of two independent sets of images.",
        write_table(_list_unseen(found, known, scales[-1])),
        f"### By family and what is unseen\n\nAt {tokens_text(scales[-1])}.",
        write_table(_list_both(found[NOW], scales[-1])),
        *_tell_places(found, known, scales),
        f"### The least sufficient scale\n\nShare of the questions of `{known}` that a scale "
        "answers and no smaller one does.",
        write_table(_list_least(found, known, scales)),
        f"### Pooled otherwise\n\n`{known}` again, with tokens that are sampled, not averaged: by "
        "the same weights, which were trained with averages alone.",
        write_table(_list_poolings(found, known, scales)),
        f"### Measured by\n\n{_tell_runs(found)}",
    ]
    return "\n\n".join(part.strip() for part in parts)


def _list_families(found: Found, known: str, scales: Sequence[str]) -> Table:
    rows: list[Cells] = [
        [
            family,
            number(row.get("questions"), 0),
            *(_beside(found, _share(known, scale, family)) for scale in scales),
            _interval(found[NOW], known, scales[-1], family),
        ]
        for family, row in found[NOW].sources[known].items()
    ]
    return Table(("family", "questions", *scales, f"{INTERVAL} at {scales[-1]}"), rows)


def _list_unseen(found: Found, known: str, largest: str) -> Table:
    rows: list[Cells] = [
        [
            source,
            _tell_unseen(source),
            number(found[NOW].row(source).get("questions"), 0),
            _beside(found, _share(source, largest)),
            _interval(found[NOW], source, largest),
            _beside(found, _ratio(source, known, largest)),
            MISSING if source == known else _ratio_interval(found[NOW], source, known, largest),
        ]
        for source in found[NOW].sources
    ]
    head = ("questions of", "what is unseen", "questions", "right", INTERVAL, "ratio", INTERVAL)
    return Table(head, rows)


def _list_both(one: Ladders, largest: str) -> Table:
    families = {family for rows in one.sources.values() for family in rows} - {ALL}
    rows: list[Cells] = [
        [family, *(_write_share(one.row(source, family).get(largest)) for source in one.sources)]
        for family in (ALL, *sorted(families))
    ]
    return Table(("family", *one.sources), rows)


def _tell_places(found: Found, known: str, scales: Sequence[str]) -> list[str]:
    """Compare any place with the raster of patches, where both were asked."""
    aligned = f"{SCENES_V3.name}:{ALIGNED}"
    if aligned not in found[NOW].sources:
        return []
    rows: list[Cells] = [
        [title, *(_beside(found, _share(source, scale)) for scale in scales)]
        for title, source in (("any place and size", known), ("on the raster", aligned))
    ]
    lost = [_beside(found, _loss(known, aligned, scale), points) for scale in scales]
    table = Table(("where things lie", *scales), [*rows, ["difference, points", *lost]])
    text = f"### By where things lie\n\n`{known}` against `{aligned}`, by visual tokens."
    return [text, write_table(table)]


def _list_least(found: Found, known: str, scales: Sequence[str]) -> Table:
    rows: list[Cells] = [
        [title, *(_write_share(found[name].least.get(known, {}).get(s)) for s in (*scales, NONE))]
        for title, name in (("these weights", NOW), ("the weights before", BEFORE))
    ]
    return Table(("", *scales, NONE), rows)


def _list_poolings(found: Found, known: str, scales: Sequence[str]) -> Table:
    poolings = [name for name in found if name != BEFORE]
    rows: list[Cells] = [
        [
            tokens_text(scale),
            *(
                Cell(
                    _write_share(found[name].row(known).get(scale)),
                    _interval(found[name], known, scale),
                )
                for name in poolings
            ),
        ]
        for scale in reversed(scales)
    ]
    return Table(("", *poolings), rows)


def _tell_runs(found: Found) -> str:
    return "\n".join(
        f"- {name}: `{one.meta.command}`, weights {one.model.weights}, code "
        f"{one.meta.code_version}, {one.meta.hardware}"
        for name, one in found.items()
    )


def _write_share(share: float | None) -> str:
    return number(share, 3)


def _beside(
    found: Found, value: Value, write: Callable[[float | None], str] = _write_share
) -> Cell:
    """Write a figure with that of the weights before; nothing beside it where there is none."""
    now, before = (write(value(found[name])) for name in (NOW, BEFORE))
    return Cell(now, "" if before == MISSING else before)


def _share(source: str, scale: str, family: str = ALL) -> Value:
    return lambda one: one.row(source, family).get(scale)


def _ratio(source: str, known: str, scale: str) -> Value:
    def divide(one: Ladders) -> float | None:
        share, whole = one.row(source).get(scale), one.row(known).get(scale)
        return None if share is None or not whole else share / whole

    return divide


def _loss(source: str, aligned: str, scale: str) -> Value:
    def subtract(one: Ladders) -> float | None:
        share, whole = one.row(source).get(scale), one.row(aligned).get(scale)
        return None if share is None or whole is None else whole - share

    return subtract


def _interval(one: Ladders, source: str, scale: str, family: str = ALL) -> str:
    ends = one.intervals.get(source, {}).get(family, {}).get(scale)
    return span(*(_write_share(end) for end in ends)) if ends else MISSING


def _ratio_interval(one: Ladders, source: str, known: str, scale: str) -> str:
    """Give the interval of a ratio of two shares: their logarithms' errors add up as squares."""
    ratio = _ratio(source, known, scale)(one)
    both = [one.intervals.get(name, {}).get(ALL, {}).get(scale) for name in (source, known)]
    halves = [math.log(ends[1] / ends[0]) / 2 for ends in both if ends and ends[0]]
    if ratio is None or len(halves) < len(both):
        return MISSING
    factor = math.exp(math.hypot(*halves))
    return span(_write_share(ratio / factor), _write_share(ratio * factor))


def _tell_unseen(source: str) -> str:
    draw, _, split = source.partition(":")
    return UNSEEN.get(split, MISSING) if draw == SCENES_V3.name else OTHER_DRAW
