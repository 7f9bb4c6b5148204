"""Facts about a scene by their kind, and what several kinds of scene share; no words here."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from labels.scenes.items import Item
from labels.scenes.vocabulary import COLOURS

MOST_COUNTED = 9
MOST_ADDED_UP = 12

Slots = dict[str, str]
Key = TypeVar("Key")


class Fact(NamedTuple):
    """What fills the phrases of a kind, and the items that show that it is so, if any do."""

    slots: Slots
    items: tuple[Item, ...] = ()


Called = tuple[str, Item]
"""A name that tells an item from all others, and the item."""

Pair = tuple[Called, Called]


class Facts:
    """Facts by their kind and answer, so that each kind and each answer is as likely to be asked.

    Attributes:
        told: kind -> answer -> facts of the kind.
    """

    def __init__(self) -> None:
        self.told: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))

    def add(
        self, kind: str, answer: str | int, items: Iterable[Item] = (), **slots: str | int
    ) -> None:
        """Note a fact, and which items show it."""
        filled = {key: str(value) for key, value in slots.items()}
        self.told[kind][str(answer)].append(Fact(filled, tuple(items)))

    def add_count(self, kind: str, items: list[Item], **slots: str) -> None:
        """Note how many items there are, if they can still be counted."""
        if len(items) <= MOST_COUNTED:
            self.add(kind, len(items), items, **slots)

    def add_colours(
        self, groups: dict[str, list[Item]], has: str, count: str, only: str, name: str
    ) -> None:
        """Note which colours there are, how often, and what is alone of its colour.

        Args:
            groups: colour -> its items.
            has: kind of fact that says whether there is a colour.
            count: kind that says how often.
            only: kind that names the one of a colour.
            name: attribute of an item that holds its name.
        """
        for colour in COLOURS:
            group = groups.get(colour, [])
            self.add(has, yes(group), group, colour=colour)
            if group:
                self.add_count(count, group, colour=colour)
            if len(group) == 1:
                self.add(only, getattr(group[0], name), group, colour=colour)

    def add_comparisons(self, pairs: list[Pair], compared: str, which: str) -> None:
        """Note of pairs of items that the first is what is asked for and the second is not."""
        for (one, first), (other, second) in pairs:
            both = (first, second)
            self.add(compared, "yes", both, name=one, other=other)
            self.add(compared, "no", both, name=other, other=one)
            self.add(which, one, both, options=one, other=other)


def group_items(items: list[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Put together the items of which the key is the same, in their order."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def yes(holds: object) -> str:
    """Answer yes or no."""
    return "yes" if holds else "no"
