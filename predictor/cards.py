"""The gallery of the report: one card a question, with the answer at every scale."""

import base64
from collections.abc import Mapping
from typing import Any

from predictor.markup import Markup, element, section, text
from predictor.rules import CORRECT
from predictor.wording import gap, number

Results = Mapping[str, Any]


def gallery_cards(results: Results, pictures: Mapping[str, bytes]) -> Markup:
    """Make the gallery.

    Args:
        results: results.json.
        pictures: sample id to the PNG of its image; a card without one shows no picture.

    Returns:
        Markup; nothing where there is no gallery.
    """
    shown = results.get("gallery") or []
    if not shown:
        return Markup("")
    cards = "".join(_card(row, pictures.get(str(row["sample_id"]))) for row in shown)
    target = f"{results['headline']['target']:g}"
    told = (
        "Drawn at random from every question family, not picked. P is the router's calibrated "
        "probability that the scale answers correctly, given before any answer is made; the arrow "
        f"marks the scale it chose for a mean of {target} tokens."
    )
    inner = element("p", text(told)) + element("div", cards, "cards")
    return section("gallery", "Gallery", inner)


def _card(row: Results, picture: bytes | None) -> Markup:
    references = " / ".join(str(answer) for answer in row["answers"])
    inner = "" if picture is None else _picture(picture, row)
    inner += element("small", text(row["family"]))
    inner += element("h3", text(row["question"]))
    inner += element("p", f"expected: {element('b', text(references))}")
    return element("article", inner + _answers(row), "card")


def _picture(picture: bytes, row: Results) -> str:
    data = base64.b64encode(picture).decode()
    about = text(f"image of the question: {row['question']}")
    return f'<img alt="{about}" loading="lazy" src="data:image/png;base64,{data}">'


def _answers(row: Results) -> Markup:
    titles = "".join(f'<th scope="col">{title}</th>' for title in ("tokens", "answer", "", "P"))
    lines = "".join(_answer(scale, told, row) for scale, told in row["scales"].items())
    body = f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"
    box = '<div class="scroll" tabindex="0" role="region" aria-label="answers">'
    return Markup(f"{box}{body}</div>")


def _answer(scale: str, told: Results, row: Results) -> Markup:
    chosen = str(row["chosen"]) == str(scale)
    score = float(told["score"])
    right = score >= CORRECT
    # Word and mark beside the colour; a partial score is written out.
    verdict = ("✓ right" if right else "✗ wrong") if score in (0.0, 1.0) else number(score, 2)
    cells = [
        f'<th scope="row">{"➜ " if chosen else ""}{text(scale)}</th>',
        element("td", text(told["answer"]), "said"),
        element("td", text(verdict), "right" if right else "wrong"),
        element("td", text(gap(told.get("probability")))),
    ]
    return element("tr", "".join(cells), "strong" if chosen else "")
