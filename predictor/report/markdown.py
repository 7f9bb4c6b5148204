"""The report as Markdown: the same document as the page, with the figures and pictures as files."""

import re
from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from predictor.report.document import Block, Document, Drawing, Heading, Paragraph, Table
from predictor.report.environment import make_environment

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$#])")

_LIST = re.compile(r"^(\d*)([-+=.)])(?=\s|[-=]|$)")
"""A text's beginning that would make a line a list, a rule or a heading."""

_LINK = re.compile(r"@|:(?=//)|\bwww(?=\.)|\bmailto:|\bxmpp:", re.IGNORECASE)
"""What GitHub makes a link or a mention of by itself, also where a backslash stands before it."""

_JOINER = "\u2060"
"""Without a width, and enough that the text around it is no address."""


def build_markdown(document: Document, pictures: Sequence[str] = (), command: str = "") -> str:
    """Write the report as Markdown.

    Args:
        document: what it says.
        pictures: sample ids of the gallery's cards whose picture lies in the report's folder.
        command: for a file that stands alone, what wrote it; it names the command and has no
            figures.

    Returns:
        Markdown, with paths relative to the report's folder.
    """
    if command:
        sections = [replace(s, blocks=_without_drawings(s.blocks)) for s in document.sections]
        document = replace(document, sections=sections)
    template = make_environment(_finish).get_template("report.md")
    text = template.render(document=document, pictures=pictures, command=command)
    # Values are one line each, so lines that are blank come from the template alone.
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def write_table(table: Table) -> str:
    """Write a table by itself as Markdown."""
    template = make_environment(_finish).get_template("table.md")
    return str(template.make_module().write_table(table))  # type: ignore[attr-defined]


def escape(text: str) -> str:
    """Escape text for Markdown, also inside a table's cell; it becomes one line, and no list."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    escaped = _SPECIAL.sub(r"\\\1", " ".join(shown.replace("&", "&amp;").split()))
    return _LINK.sub(f"\\g<0>{_JOINER}", _LIST.sub(r"\1\\\2", escaped))


def _without_drawings(blocks: Sequence[Block]) -> list[Block]:
    """Leave drawings out, and headings under which nothing but a drawing and its remark stands."""
    parts: list[list[Block]] = [[]]  # each but the first begins with its heading
    for block in blocks:
        if isinstance(block, Heading):
            parts.append([])
        parts[-1].append(block)
    kept: list[Block] = []
    for part in parts:
        rest = [block for block in part if not isinstance(block, Drawing)]
        told = any(not isinstance(block, Heading | Paragraph) for block in rest)
        # Text without a heading, or without a drawing, is more than a remark.
        if told or len(rest) == len(part) or not isinstance(part[0], Heading):
            kept += rest
    return kept


def _finish(value: object) -> Markup:
    # What a macro returns is markup and finished; jinja2's own escaping, for HTML, leaves it alone.
    return value if isinstance(value, Markup) else Markup(escape(str(value)))
