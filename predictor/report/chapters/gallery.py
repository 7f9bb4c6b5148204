"""The gallery of the report: one card per question, with every scale's answer and the decision."""

from labels.oracle import CORRECT
from predictor.data import Results
from predictor.report.document import Block, Card, Cell, Cells, Gallery, Paragraph, Table
from predictor.report.wording import gap, head_budget, number, tokens_text


def gallery(results: Results) -> list[Block]:
    """Show some questions with what every scale answered and why the router chose as it did."""
    cards = [_card(row) for row in results.get("gallery") or []]
    if not cards:
        return []
    text = (
        "Drawn at random from every question family, not picked by hand. P is the router's "
        "calibrated probability that the scale answers correctly, before any answer is generated; "
        "net is P minus lambda times the scale's tokens. The arrow marks the scale with the "
        "largest net of those that the calibration split shows to pay, which the router takes for "
        f"a mean of {head_budget(results)} tokens."
    )
    return [Paragraph(text), Gallery(cards)]


def _card(row: Results) -> Card:
    chosen = str(row["chosen"])
    answers = row["scales"]
    rows = [_answer(scale, answer, scale == chosen) for scale, answer in answers.items()]
    head = ("tokens", "answer", "score", "P", "net")
    return Card(
        sample_id=str(row["sample_id"]),
        image=str(row["image"]),
        family=str(row["family"]),
        question=str(row["question"]),
        expected=" / ".join(str(answer) for answer in row["answers"]),
        table=Table(head, rows, strong=list(answers).index(chosen)),
        decision=_decision(answers, chosen),
    )


def _answer(scale: str, answer: Results, chosen: bool) -> Cells:
    score = float(answer["score"])
    right = score >= CORRECT
    # Word and mark beside the colour; a partial score is written out.
    verdict = ("✓ right" if right else "✗ wrong") if score in (0.0, 1.0) else number(score, 2)
    return [
        f"{'➜ ' if chosen else ''}{scale}",
        Cell(str(answer["answer"]), kind="answer"),
        Cell(verdict, kind="right" if right else "wrong"),
        gap(answer.get("probability")),
        gap(answer.get("net")),
    ]


def _decision(answers: Results, chosen: str) -> str:
    """Say why a scale was taken, by what one step down and one step up would have changed."""
    if any(answer.get("net") is None for answer in answers.values()):
        return ""
    names = list(answers)
    at = names.index(chosen)
    sentences = [f"Takes {tokens_text(chosen)}."]
    if at > 0:
        below = names[at - 1]
        gain = number(answers[chosen]["probability"] - answers[below]["probability"], 3)
        sentences.append(f"Compared with {below} it gains {gain} in P, {_paid(answers, at)}.")
    if at + 1 < len(names) and not answers[names[at + 1]].get("pays", True):
        sentences.append(f"{names[at + 1]} is not shown to pay on the calibration split.")
    elif at + 1 < len(names):
        more = answers[names[at + 1]]["probability"] - answers[chosen]["probability"]
        change = f"add {number(more, 3)} in P" if more > 0 else "add nothing"
        sentences.append(f"{names[at + 1]} would {change}, {_paid(answers, at + 1)}.")
    return " ".join(sentences)


def _paid(answers: Results, at: int) -> str:
    """Write the price of the step up to a scale: what `net` is below P."""
    low, high = list(answers.values())[at - 1 : at + 1]
    # P minus net is lambda times tokens, so lambda itself is not needed.
    price = (high["probability"] - high["net"]) - (low["probability"] - low["net"])
    return f"for a price of {number(price, 3)}"
