"""What the report says, before it is a page or a Markdown file.

Plain records of text; the templates write the same ones down as HTML and as Markdown and tell
blocks apart by their `kind`. No numbers are made here and nothing is escaped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        main: what it says.
        small: a remark below it, may be empty.
        kind: `answer` for words of the model, `right` or `wrong` for a verdict, else empty.
    """

    main: str
    small: str = ""
    kind: str = ""


Cells: TypeAlias = Sequence[Cell | str]
"""A row of a table."""


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        head: column titles.
        rows: cells, as many as there are titles.
        strong: number of a row to stress.
        wordy: whether its cells hold sentences.
    """

    head: Sequence[str]
    rows: Sequence[Cells]
    strong: int | None = None
    wordy: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Drawing:
    """A figure's place.

    Attributes:
        name: a key of `PLOTS` in figures/render.py.
        title: what it shows, in a few words.
        caption: how to read it.
    """

    name: str
    title: str
    caption: str
    kind: ClassVar[str] = "drawing"


@dataclass(frozen=True)
class Folded:
    """A table that is shown when its title is clicked."""

    title: str
    table: Table
    kind: ClassVar[str] = "folded"


@dataclass(frozen=True)
class Terms:
    """Words and their meanings."""

    meanings: Mapping[str, str]
    kind: ClassVar[str] = "terms"


@dataclass(frozen=True)
class Card:
    """A question of the gallery.

    Attributes:
        sample_id: its name.
        image: path of its picture inside the report's folder.
        family: its family.
        question: the question.
        expected: accepted answers.
        table: what every scale answered.
        decision: why the router chose as it did, may be empty.
    """

    sample_id: str
    image: str
    family: str
    question: str
    expected: str
    table: Table
    decision: str


@dataclass(frozen=True)
class Gallery:
    """Questions with pictures and answers, side by side."""

    cards: Sequence[Card]
    kind: ClassVar[str] = "gallery"


Block: TypeAlias = Table | Paragraph | Heading | Drawing | Folded | Terms | Gallery


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        anchor: a name to link to.
        title: its heading.
        blocks: what is in it.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Tile:
    """A number of the headline.

    Attributes:
        name: what it is.
        value: the number.
        below: what belongs to it.
    """

    name: str
    value: str
    below: str


@dataclass(frozen=True)
class Document:
    """The report.

    Attributes:
        title: its title.
        lead: what was done, in a sentence or two.
        facts: what identifies it, may be empty.
        tiles: the headline, the most important number first.
        sections: all the rest.
        banner: a warning above all else, may be empty.
    """

    title: str
    lead: str
    facts: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    banner: str = ""
