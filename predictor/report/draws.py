"""Several draws of the benchmark beside each other, and the few figures that stand for all.

Each draw is a results.json; what one lacks is left out or shown as a dash, and nothing is measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from predictor.data import Results
from predictor.report.document import Block, Cell, Cells, Paragraph, Section, Table
from predictor.report.markdown import build_markdown, write_table
from predictor.report.outline import build_document
from predictor.report.report import check_whole, told_in_one_line
from predictor.report.wording import (
    MISSING,
    accuracy_cell,
    attainable,
    gap,
    gap_cell,
    head_budget,
    head_key,
    limit_share,
    number,
    parity_text,
    pays,
    percent,
    points,
    short,
    span,
    tokens_text,
)
from predictor.routing_metrics.gap import find_cost

Draws = Mapping[str, Results]
"""Results by the name of the draw."""

# The ceiling is estimated low, see docs/evaluations.md.
OF_CEILING: Final = "of the noise ceiling's gap, likely too high"

ONLY_DRAW: Final = "scenes-v2"
"""What results are of that name no draw: older versions had this one alone."""


def arrange(found: Sequence[Results]) -> dict[str, Results]:
    """Sort results by the name of their draw; the last one gives the headline.

    Raises:
        ValueError: if two are of the same draw, or results are not of the built-in benchmark.
    """
    draws: dict[str, Results] = {}
    for results in found:
        meta = results.get("meta", {})
        name = str(meta.get("draw", ONLY_DRAW))
        if "draw" in meta and meta["draw"] is None:
            raise ValueError("these are results on other data: only draws of scenes are compared")
        if name in draws:
            raise ValueError(f"two results are of {name}: give one of each draw")
        draws[name] = results
    return dict(sorted(draws.items()))


def build_tables(draws: Draws, command: str) -> tuple[str, str]:
    """Write the headline's table and the page of all draws, of `arrange`'s results.

    Args:
        draws: the results.
        command: what writes the page, to be named in it.
    """
    for results in draws.values():
        check_whole(results)
    with told_in_one_line():
        return _build_headline(draws), _build_page(draws, command)


def _build_page(draws: Draws, command: str) -> str:
    """Write the report of the last draw as Markdown, with all draws beside each other before it."""
    *_, (last, results) = draws.items()
    document = build_document(results)
    compared = Section("draws", "The draws side by side", _compare(draws))
    told = f"{document.lead} All but the table of draws is of {last}."
    document = replace(document, lead=told, sections=[compared, *document.sections])
    return build_markdown(document, command=command)


def _build_headline(draws: Draws) -> str:
    """Write the headline's table as Markdown, with what it was measured by below."""
    *others, (last, results) = draws.items()
    runs = [last, *(name for name, _ in reversed(others))]
    rows = [[name, *cells, "1"] for name, *cells in _list_headline(results)]
    for place, (name, other) in enumerate(reversed(others), start=2):
        label, *cells = _gap_row(other)
        rows.append([f"{label}, {name}", *cells, str(place)])
    table = write_table(Table(("", "value", "95 % interval", "run"), rows, strong=2))
    notes = [f"{place}: {_tell_run(name, draws[name])}" for place, name in enumerate(runs, start=1)]
    return "\n\n".join([table.strip(), "  \n".join(notes)])


def _tell_run(name: str, results: Results) -> str:
    meta = results.get("meta", {})
    seeds = len(results.get("seeds", []))
    return (
        f"{name}, {meta.get('n_questions')} questions about {meta.get('n_images')} images, "
        f"{seeds} seeds: `{meta.get('command')}`, {meta.get('code_version')}, "
        f"{meta.get('hardware')}"
    )


def _list_headline(results: Results) -> list[list[str]]:
    """List name, value and interval of at most six figures."""
    budget = head_budget(results)
    largest = results["scales"][-1]
    fixed, routed = results["fixed"][str(largest)], results["router"]["at"][budget]
    limit = (results.get("omniscient") or {}).get("at", {}).get(budget, {})
    rows = [
        [f"accuracy, always {tokens_text(largest)}", *_split(accuracy_cell(fixed))],
        [f"accuracy, router at {budget} tokens", *_split(accuracy_cell(routed))],
        _gap_row(results),
    ]
    if pays(results):
        if (known := attainable(results)).get("repeats", 1) > 1:
            rows.append([OF_CEILING, *_split(gap_cell(known))])
        rows.append(["limit: gap closed by the omniscient router", *_split(gap_cell(limit))])
    return [*rows, _parity_row(results)]


def _gap_row(results: Results) -> list[str]:
    title = f"gap closed at {head_budget(results)} tokens"
    return [title, *_split(_show_gap(results))]


def _parity_row(results: Results) -> list[str]:
    """Say what the calibration split bounds, and beside it what the test split then lost."""
    head, drop = results["headline"], results.get("settings", {}).get("parity_drop")
    bound = (
        "" if drop is None else f" (loss bounded below {number(100 * drop)} points on calibration)"
    )
    cells = _split(_show_parity(head))
    if (lost := head.get("parity_drop")) is not None:
        ends = span(*(points(head.get(f"parity_drop_{end}")) for end in ("high", "low")))
        within = f" ({ends})" if ends else ""
        cells = f"{cells[0]}, {points(lost)} points{within} on test", cells[1]
    return [f"tokens to parity{bound}", *cells]


def _split(cell: Cell | str) -> tuple[str, str]:
    return (cell, "") if isinstance(cell, str) else (cell.main, cell.small)


def _show_gap(results: Results) -> Cell | str:
    if not pays(results):
        return "routing does not pay"
    return gap_cell(results["headline"], head_key(results))


def _show_parity(head: Results) -> Cell | str:
    if head.get("parity_established") is False:
        return parity_text("", established=False)
    ends = span(*(number(head.get(f"parity_tokens_{end}"), 0) for end in ("low", "high")))
    share = percent(head.get("parity_share"))
    return Cell(f"{number(head.get('parity_tokens'), 0)} ({share})", ends)


def _compare(draws: Draws) -> list[Block]:
    text = (
        "The same model, asked and routed on each draw of the benchmark, which are frozen. Gap "
        "closed, limit and noise ceiling are at an eighth of the largest scale's cost. Gap and "
        "limit are of the questions as they stand, the noise ceiling and the share of it of all "
        "repeats, so they are not to be divided by each other."
    )
    # What is shown of each draw; a dash where its results do not have it.
    shown: dict[str, Callable[[Results], Cell | str]] = {
        "questions, images": _show_size,
        "seeds": lambda r: str(len(r.get("seeds", []))),
        "accuracy, cheapest scale": lambda r: accuracy_cell(r["fixed"][str(r["scales"][0])]),
        "accuracy, largest scale": lambda r: accuracy_cell(r["fixed"][str(r["scales"][-1])]),
        "accuracy, router": lambda r: accuracy_cell(r["router"]["at"][head_budget(r)]),
        "gap closed": _show_gap,
        "noise ceiling": _show_ceiling,
        OF_CEILING: _show_attained,
        "limit: gap closed by the omniscient router": _show_limit,
        "router's share of the limit": lambda r: limit_share(r["headline"]),
        "tokens to parity": lambda r: _show_parity(r["headline"]),
        "tokens to parity read off the test curve, router / limit": _show_read_off,
        "accuracy at parity, points": lambda r: points(r["headline"].get("parity_drop")),
    }
    rows: list[Cells] = [
        [name, *(show(results) for results in draws.values())] for name, show in shown.items()
    ]
    rows += _compare_certificates(draws)
    rows += [
        [name, *(str(one.get("meta", {}).get(key, MISSING)) for one in draws.values())]
        for name, key in (("made by", "command"), ("code", "code_version"))
    ]
    return [Paragraph(text), Table(("", *draws), rows)]


def _show_size(results: Results) -> str:
    meta = results.get("meta", {})
    return f"{meta.get('n_questions', MISSING)}, {meta.get('n_images', MISSING)}"


def _show_ceiling(results: Results) -> Cell | str:
    known = attainable(results)
    if "ceiling_ogc" not in known:
        return MISSING
    # From one run luck can only be bounded.
    least = "" if known["repeats"] > 1 else "at least"
    return Cell(gap(known["ceiling_ogc"]), least)


def _show_attained(results: Results) -> Cell | str:
    known = attainable(results)
    return gap_cell(known) if known.get("repeats", 1) > 1 else MISSING


def _show_limit(results: Results) -> Cell | str:
    limit = (results.get("omniscient") or {}).get("at", {}).get(head_budget(results))
    if not limit:
        return MISSING
    cell = gap_cell(limit)
    above = results["headline"].get("above_omniscient")
    return Cell(cell.main, f"{cell.small}; the router is above it") if above else cell


def _show_read_off(results: Results) -> str:
    """Read parity off the curves of router and limit, as no router could: they are of the test."""
    tokens = (results.get("costs") or {}).get("tokens") or {}
    largest = results["headline"].get("accuracy_dearest")
    drop = results.get("settings", {}).get("parity_drop")
    if largest is None or drop is None:
        return MISSING
    found = []
    for name in ("router", "omniscient"):
        curve = tokens.get(name) or []
        cost, accuracy = (
            np.array([point[axis] for point in curve]) for axis in ("cost", "accuracy")
        )
        found.append(number(find_cost(cost, accuracy, largest - drop), 0))
    return " / ".join(found)


def _compare_certificates(draws: Draws) -> list[Cells]:
    """Show tokens of each certificate, its loss on the test split and in its worst family."""
    claims = {key: None for one in draws.values() for key in one.get("certified") or {}}
    rows: list[Cells] = []
    for claim in claims:
        cells: list[Cell | str] = []
        for results in draws.values():
            level = (results.get("certified") or {}).get(claim, {})
            cells.append(Cell(short(level.get("tokens")), _tell_loss(level)))
        rows.append([f"tokens, certified {claim}", *cells])
    return rows


def _tell_loss(level: Results) -> str:
    if "risk" in level:
        worst = level.get("worst_family")
        hidden = f"; worst family {percent(worst['risk'])}, {worst['name']}" if worst else ""
        return f"loss {percent(level['risk'])}{hidden}"
    return f"refused: needs {level['needed']} images, has {level['images']}" if level else ""
