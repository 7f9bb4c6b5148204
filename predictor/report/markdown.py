"""The report as Markdown: the same document as the page, with the figures and pictures as files."""

import re
from collections.abc import Sequence

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
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$#])")


def build_markdown(document: Document, pictures: Sequence[str] = ()) -> str:
    """Write the report as Markdown.

    Args:
        document: what it says.
        pictures: sample ids of the gallery's cards whose picture lies in the report's folder.

    Returns:
        Markdown, with paths relative to the report's folder.
    """
    head = Table(
        ("headline", "value", "with it"),
        [[tile.name, tile.value, tile.below] for tile in document.tiles],
    )
    parts = [f"# {escape(document.title)}", escape(document.lead), escape(document.facts)]
    parts += [_table(head), *(_section(part, pictures) for part in document.sections)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(said: str) -> str:
    """Make text mean itself in Markdown, in a table's cell too.

    Args:
        said: anything.

    Returns:
        One line.
    """
    return _SPECIAL.sub(r"\\\1", " ".join(said.replace("&", "&amp;").split()))


def _section(part: Section, pictures: Sequence[str]) -> str:
    blocks = (_block(block, pictures) for block in part.blocks)
    return "\n\n".join([f"## {escape(part.title)}", *blocks])


def _block(block: Block, pictures: Sequence[str]) -> str:
    match block:
        case Table():
            return _table(block)
        case Paragraph():
            return escape(block.text)
        case Heading():
            return f"### {escape(block.text)}"
        case Drawing():
            image = f"![{escape(block.title)}](figures/{block.name}.png)"
            return f"{image}\n\n{escape(block.caption)}"
        case Folded():
            return f"### {escape(block.title)}\n\n{_table(block.table)}"
        case Terms():
            return "\n".join(f"- **{escape(w)}**: {escape(m)}" for w, m in block.meanings.items())
        case Gallery():
            return "\n\n".join(_card(card, pictures) for card in block.cards)


def _card(card: Card, pictures: Sequence[str]) -> str:
    about = escape(f"image of the question: {card.question}")
    image = f"![{about}]({card.image})" if card.sample_id in pictures else ""
    parts = [f"### {escape(card.question)}", f"{escape(card.family)}; expected: "]
    parts[-1] += escape(card.expected)
    return "\n\n".join(p for p in (*parts, image, _table(card.table), escape(card.decision)) if p)


def _table(shown: Table) -> str:
    ruled = [":--", *["--:"] * (len(shown.head) - 1)]
    if shown.wordy:
        ruled = ["---"] * len(shown.head)
    lines = [[escape(title) for title in shown.head], ruled]
    for number, row in enumerate(shown.rows):
        cells = [_cell(part) for part in row]
        lines.append(
            [f"**{part}**" if part else "" for part in cells] if number == shown.strong else cells
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(part: Cell | str) -> str:
    if isinstance(part, str):
        return escape(part)
    return escape(f"{part.main} ({part.small})" if part.small else part.main)
