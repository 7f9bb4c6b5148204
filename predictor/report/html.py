"""The report as one HTML page that needs nothing else: no network, no script, no other file.

Takes a document, figures as SVG and pictures as PNG bytes. Words of questions and answers come
from data and are escaped.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import NewType

from predictor.report.document import (
    Block,
    Card,
    Cell,
    Document,
    Drawing,
    Folded,
    Gallery,
    Heading,
    Paragraph,
    Section,
    Table,
    Terms,
    Tile,
)
from predictor.report.style import style_sheet

Markup = NewType("Markup", str)


@dataclass(frozen=True)
class Pictures:
    """What a page shows beside text.

    Attributes:
        drawn: figure name to its SVG for a page and its SVG for a phone.
        photos: sample id to the PNG of its image; a card without one shows no picture.
    """

    drawn: Mapping[str, tuple[str, str]]
    photos: Mapping[str, bytes]


def build_page(document: Document, pictures: Pictures) -> str:
    """Write the page.

    Args:
        document: what it says.
        pictures: its figures and photos.

    Returns:
        The HTML of the whole page.
    """
    body = _header(document) + "".join(_section(part, pictures) for part in document.sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An icon of its own, since a browser would ask a server for one.
        '<link rel="icon" href="data:,">'
        f"<title>{text(document.title)}</title><style>{style_sheet()}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _header(document: Document) -> Markup:
    facts = element("p", text(document.facts), "quiet") if document.facts else ""
    lines = element("h1", text(document.title)) + element("p", text(document.lead)) + facts
    tiles = "".join(map(_tile, document.tiles))
    links = "".join(
        f'<li><a href="#{text(part.anchor)}">{text(part.title)}</a></li>'
        for part in document.sections
    )
    contents = f'<nav aria-label="Contents">{element("ul", links)}</nav>'
    return Markup(element("header", lines) + element("div", tiles, "tiles") + contents)


def _tile(tile: Tile) -> Markup:
    value = element("b", text(tile.value)) + element("small", text(tile.below))
    return element("div", text(tile.name) + value, "tile")


def _section(part: Section, pictures: Pictures) -> Markup:
    inner: str = element("h2", text(part.title))
    inner += "".join(_block(block, pictures) for block in part.blocks)
    return Markup(f'<section id="{text(part.anchor)}">{inner}</section>')


def _block(block: Block, pictures: Pictures) -> Markup:
    match block:
        case Table():
            return table(block)
        case Paragraph():
            return element("p", text(block.text))
        case Heading():
            return element("h3", text(block.text))
        case Drawing():
            return _figure(block, pictures.drawn)
        case Folded():
            return element("details", element("summary", text(block.title)) + table(block.table))
        case Terms():
            return element("dl", "".join(map(_term, block.meanings.items())))
        case Gallery():
            return element("div", "".join(_card(card, pictures) for card in block.cards), "cards")


def _figure(place: Drawing, drawn: Mapping[str, tuple[str, str]]) -> Markup:
    if place.name not in drawn:
        return Markup("")
    # Only one of the two is ever shown, so only one is ever read aloud.
    named = [
        svg.replace("<svg ", f'<svg role="img" aria-label="{text(place.title)}" ', 1)
        for svg in drawn[place.name]
    ]
    shown = "".join(
        f'<div class="{width}">{svg}</div>'
        for width, svg in zip(("wide", "narrow"), named, strict=True)
    )
    return element("figure", shown + element("figcaption", text(place.caption)))


def _term(entry: tuple[str, str]) -> Markup:
    word, meaning = entry
    return Markup(element("dt", text(word)) + element("dd", text(meaning)))


def _card(card: Card, pictures: Pictures) -> Markup:
    inner = ""
    if card.sample_id in pictures.photos:
        data = base64.b64encode(pictures.photos[card.sample_id]).decode()
        about = text(f"image of the question: {card.question}")
        inner += f'<img alt="{about}" src="data:image/png;base64,{data}">'
    inner += element("small", text(card.family)) + element("h3", text(card.question))
    inner += element("p", f"expected: {element('b', text(card.expected))}") + table(card.table)
    if card.decision:
        inner += element("p", text(card.decision), "decision")
    return element("article", inner, "card")


def text(value: object) -> Markup:
    """Escape text for use anywhere in the page, attributes included.

    Args:
        value: anything; its `str` is shown.

    Returns:
        Markup.
    """
    return Markup(escape(str(value), quote=True))


def element(tag: str, inner: str, css: str = "") -> Markup:
    """Wrap markup in an element.

    Args:
        tag: the element's name.
        inner: markup inside.
        css: value of its class attribute.

    Returns:
        Markup.
    """
    attribute = f' class="{text(css)}"' if css else ""
    return Markup(f"<{tag}{attribute}>{inner}</{tag}>")


def table(shown: Table) -> Markup:
    """Write a table that scrolls inside its own box when it is too wide.

    Args:
        shown: the table.

    Returns:
        Markup.
    """
    titles = "".join(f'<th scope="col">{text(title)}</th>' for title in shown.head)
    lines = []
    for number, (first, *others) in enumerate(shown.rows):
        name = f'<th scope="row">{_inside(first)}</th>'
        rest = "".join(element("td", _inside(part), _kind(part)) for part in others)
        lines.append(element("tr", name + rest, "strong" if number == shown.strong else ""))
    body = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody>"
    wordy = "scroll wordy" if shown.wordy else "scroll"
    # Focusable, so that it can be scrolled with the keyboard too.
    box = f'<div class="{wordy}" tabindex="0" role="region" aria-label="{text(shown.head[0])}">'
    return Markup(f"{box}<table>{body}</table></div>")


def _inside(part: Cell | str) -> Markup:
    if isinstance(part, str):
        return text(part)
    below = element("small", text(part.small)) if part.small else ""
    return Markup(text(part.main) + below)


def _kind(part: Cell | str) -> str:
    return "" if isinstance(part, str) else part.kind
