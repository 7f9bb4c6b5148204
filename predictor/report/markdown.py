"""The report as Markdown: the same document as the page, with the figures and pictures as files."""

import re
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from predictor.report.document import Document

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$#])")


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
    templates = Environment(
        loader=PackageLoader("predictor.report"),
        autoescape=True,
        finalize=_finish,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = templates.get_template("report.md")
    text = template.render(document=document, pictures=pictures, command=command)
    # Values are one line each, so lines that are blank come from the template alone.
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def escape(text: str) -> str:
    """Escape text for Markdown, also inside a table's cell; it becomes one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.replace("&", "&amp;").split()))


def _finish(value: object) -> Markup:
    # What a macro returns is markup and finished; jinja2's own escaping, for HTML, leaves it alone.
    return value if isinstance(value, Markup) else Markup(escape(str(value)))
