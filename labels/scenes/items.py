"""Scene and items, which drawing, questions and dense targets share; no pixels here."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from labels.scenes.vocabulary import GLYPHS, WORDS

# Everything that a patch can show: nothing, pictograms, words, digits, a bar of a chart.
CONTENTS = ("none", *GLYPHS, *WORDS, *"0123456789", "bar", "unseen")

CONTENT_INDEX = {name: index for index, name in enumerate(CONTENTS)}
NOTHING = -1


@dataclass(frozen=True)
class Item:
    """One thing drawn on the canvas.

    `row` and `column` are its place in the layout (line and word number, cell of the grid, or ninth
    of the canvas in free scenes); `left` and `right` name its neighbours, or the entry it belongs
    to; `value` is a small number bound to it and `number` the digits that follow it; `edges` are
    where its letters end where they are not equally wide [pixels]. All are `NOTHING` or empty where
    they do not apply.
    """

    content: str
    text: str
    box: tuple[float, float, float, float]
    colour: str = ""
    row: int = NOTHING
    column: int = NOTHING
    left: str = ""
    right: str = ""
    value: int = NOTHING
    number: str = ""
    edges: tuple[float, ...] = ()

    @property
    def side(self) -> float:
        """Length in pixels of the shorter side of the box."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True)
class Scene:
    """Everything that is needed to draw an image and to ask about it.

    `backdrop` names what lies on the background of a wide scene and `nameable` says whether the
    colour of the background can still be told.
    """

    kind: str
    background: str
    items: tuple[Item, ...]
    rows: int
    columns: int
    font: str
    textured: bool = False
    most_counted: int = 3
    backdrop: str = ""
    nameable: bool = True
    facts: dict[str, str] = field(default_factory=dict)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each content occurs; nearly every question asks for that."""
        return Counter(item.content for item in self.items)
