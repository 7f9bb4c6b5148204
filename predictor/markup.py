"""The few pieces of HTML that the report is made of; every text goes through `escape` once.

Not a template engine: functions that take text and give markup. A function's arguments are plain
text and are escaped, unless they are called `inner` or `rows`, which hold markup already.
"""

from collections.abc import Sequence
from html import escape
from typing import NewType

Markup = NewType("Markup", str)


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


def cell(main: str, small: str = "") -> Markup:
    """Make a table cell's content of a number and a smaller remark below it.

    Args:
        main: plain text.
        small: plain text, may be empty.

    Returns:
        Markup.
    """
    below = f"<small>{text(small)}</small>" if small else ""
    return Markup(f"{text(main)}{below}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], strong: int | None = None) -> Markup:
    """Make a table that scrolls inside its own box when it is too wide.

    Args:
        head: column titles, plain text.
        rows: cells as markup; the first of each row is its title.
        strong: number of a row to stress.

    Returns:
        Markup.
    """
    titles = "".join(f'<th scope="col">{text(title)}</th>' for title in head)
    lines = []
    for number, row in enumerate(rows):
        first = f'<th scope="row">{row[0]}</th>'
        rest = "".join(f"<td>{part}</td>" for part in row[1:])
        lines.append(element("tr", first + rest, "strong" if number == strong else ""))
    body = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody>"
    # Focusable, so that it can be scrolled with the keyboard too.
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{text(head[0])}">'
    return Markup(f"{box}<table>{body}</table></div>")


def section(anchor: str, title: str, inner: str) -> Markup:
    """Make a section of the page.

    Args:
        anchor: id to link to.
        title: its heading, plain text.
        inner: markup inside.

    Returns:
        Markup.
    """
    return Markup(f'<section id="{text(anchor)}"><h2>{text(title)}</h2>{inner}</section>')
