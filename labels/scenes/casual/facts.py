"""Facts about a scene by their kind, and what several kinds of scene share; no words here."""

from collections import defaultdict

MOST_COUNTED = 9
MOST_ADDED_UP = 12

Slots = dict[str, str]


class Facts:
    """Facts by their kind and answer, so that each kind and each answer is as likely to be asked.

    Attributes:
        told: kind -> answer -> what fills the phrases of the kind.
    """

    def __init__(self) -> None:
        self.told: dict[str, dict[str, list[Slots]]] = defaultdict(lambda: defaultdict(list))

    def add(self, kind: str, answer: str | int, **slots: str | int) -> None:
        """Note a fact."""
        self.told[kind][str(answer)].append({key: str(value) for key, value in slots.items()})

    def add_number(self, kind: str, number: int, **slots: str) -> None:
        """Note how many there are, if they can still be counted."""
        if number <= MOST_COUNTED:
            self.add(kind, number, **slots)

    def add_comparisons(self, pairs: list[tuple[str, str]], compared: str, which: str) -> None:
        """Note of pairs of names that the first is what is asked for and the second is not."""
        for one, other in pairs:
            self.add(compared, "yes", name=one, other=other)
            self.add(compared, "no", name=other, other=one)
            self.add(which, one, options=one, other=other)


def yes(holds: object) -> str:
    """Answer yes or no."""
    return "yes" if holds else "no"
