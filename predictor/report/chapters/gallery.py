"""The gallery of the report: one card a question, with every scale's answer and the decision."""

from collections.abc import Mapping
from typing import Any

from labels.oracle import CORRECT
from predictor.report.document import Block, Card, Cell, Gallery, Paragraph, Row, Table
from predictor.report.wording import gap, head_budget, number, tokens_text

Results = Mapping[str, Any]


def gallery_blocks(results: Results) -> list[Block]:
    """Make the gallery.

    Args:
        results: results.json.

    Returns:
        A paragraph and the cards; nothing where there is no gallery.
    """
    shown = results.get("gallery") or []
    if not shown:
        return []
    told = (
        "Drawn at random from every question family, not picked. P is the router's calibrated "
        "probability that the scale answers correctly, given before any answer is made; net is P "
        "less lambda times the scale's tokens. The arrow marks the scale with the largest net, "
        f"which is what the router takes for a mean of {head_budget(results)} tokens."
    )
    return [Paragraph(told), Gallery([_card(row) for row in shown])]


def _card(row: Results) -> Card:
    chosen = str(row["chosen"])
    lines = [_answer(scale, told, scale == chosen) for scale, told in row["scales"].items()]
    return Card(
        sample_id=str(row["sample_id"]),
        image=str(row["image"]),
        family=str(row["family"]),
        question=str(row["question"]),
        expected=" / ".join(str(answer) for answer in row["answers"]),
        table=Table(
            ("tokens", "answer", "score", "P", "net"), lines, list(row["scales"]).index(chosen)
        ),
        decision=_decision(row["scales"], chosen),
    )


def _answer(scale: str, told: Results, chosen: bool) -> Row:
    score = float(told["score"])
    right = score >= CORRECT
    # Word and mark beside the colour; a partial score is written out.
    verdict = ("✓ right" if right else "✗ wrong") if score in (0.0, 1.0) else number(score, 2)
    return [
        f"{'➜ ' if chosen else ''}{scale}",
        Cell(str(told["answer"]), kind="said"),
        Cell(verdict, kind="right" if right else "wrong"),
        gap(told.get("probability")),
        gap(told.get("net")),
    ]


def _decision(scales: Mapping[str, Results], chosen: str) -> str:
    """Say why a scale was taken, by what one step down and one step up would have changed."""
    if any(told.get("net") is None for told in scales.values()):
        return ""
    names = list(scales)
    at = names.index(chosen)
    said = [f"Takes {tokens_text(chosen)}."]
    if at > 0:
        gained = scales[chosen]["probability"] - scales[names[at - 1]]["probability"]
        said.append(
            f"Above {names[at - 1]} it gains {number(gained, 3)} in P, {_paid(scales, at)}."
        )
    if at + 1 < len(names):
        more = scales[names[at + 1]]["probability"] - scales[chosen]["probability"]
        change = f"add {number(more, 3)} in P" if more > 0 else "add nothing"
        said.append(f"{names[at + 1]} would {change}, {_paid(scales, at + 1)}.")
    return " ".join(said)


def _paid(scales: Mapping[str, Results], at: int) -> str:
    """Give the price of a step up to a scale, as written."""
    high, low = (list(scales.values())[k] for k in (at, at - 1))
    price = (high["probability"] - high["net"]) - (low["probability"] - low["net"])
    return f"for a price of {number(price, 3)}"
