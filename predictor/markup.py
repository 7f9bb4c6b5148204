"""The report's records as pieces of HTML; every text goes through `escape` once.

Not a template engine: functions that take text or records and give markup. Arguments are plain
text and are escaped, unless they are called `inner`, which holds markup already.
"""

from html import escape
from typing import NewType

from predictor.document import Cell, Table

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
