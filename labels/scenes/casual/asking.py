"""Puts facts about a scene into the words that people use, for training only.

Whoever tries a small model asks what they see: the first word, the longest bar, any stars? The
benchmark asks none of that, and a model that was trained on its questions alone answers another
question than was asked.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from labels.scenes.casual.facts import Fact, Slots
from labels.scenes.casual.finding import find_facts
from labels.scenes.casual.phrases import FRAMES, PHRASES
from labels.scenes.items import Item, Scene
from labels.scenes.layouts import pick
from labels.scenes.wide.wording import NUMBERED as NTH
from labels.scenes.wide.wording import expand, with_article, write_down

Random = np.random.Generator


class CasualTurn(NamedTuple):
    """A question in everyday words.

    Attributes:
        question: as it is put.
        answer: what is right.
        kind: kind of fact.
        items: what shows it, if anything does.
    """

    question: str
    answer: str
    kind: str
    items: tuple[Item, ...]


NICKNAME_SHARE = 0.3
LOWER_SHARE = 0.5
TRIES = 3
MOST_OFTEN = 3

# Kinds that a trained model answers worst: comparing, counting, finding by what stands beside, and
# those that few scenes have.
LEARNT_SLOWLY = frozenset(
    (
        "count, coloured count, colour count, total, kinds, colours, times, coloured bars, "
        "same colour, is bigger, which bigger, is left, is above, biggest, smallest, "
        "biggest colour, smallest colour, colour beside, number, whose, number colour, has number, "
        "line words, equal, same value, is cheaper, which cheaper, cheapest, "
        "difference, together, most letters, fewest letters, single, sides, useful"
    ).split(", ")
)
SLOW_WEIGHT = 10

# What else people call a symbol.
SYMBOLS = ("picture", "little picture", "drawing", "sign", "item")

NICKNAMES = {
    "plane": ("airplane",),
    "letter": ("envelope",),
    "note": ("music note", "musical note"),
    "phone": ("telephone",),
    "plus": ("plus sign", "cross"),
    "circle": ("dot", "disc"),
    "horse": ("chess horse",),
}
UPPER = {"top left": "upper left", "top right": "upper right"}
UPPER |= {"bottom left": "lower left", "bottom right": "lower right", "middle": "center"}

# How two that are asked about are written, by what stands before the first.
JOINTS = {
    "options": " or ",
    "the_options": " or the ",
    "at_options": " or at the ",
    "on_options": " or on the ",
}


@cache
def spell(phrase: str) -> tuple[str, ...]:
    """Spell out every choice of a phrase, without the spaces that empty ones leave."""
    return tuple(" ".join(text.split()) for text in expand(phrase))


def more_than_one(name: str) -> str:
    """Give the plural of a name."""
    return f"{name}es" if name.endswith("s") else f"{name}s"


def name_anew(name: str, random: Random) -> str:
    """Give another name of a thing in a share of cases; what stands before it stays."""
    before, space, noun = name.rpartition(" ")
    if noun in NICKNAMES and random.random() < NICKNAME_SHARE:
        noun = pick(random, NICKNAMES[noun])
    return f"{before}{space}{noun}"


def fill(slots: Slots, random: Random) -> Slots:
    """Complete the slots of a fact by other names, articles, plurals and ordinals."""
    filled = dict(slots)
    name = name_anew(slots.get("name", ""), random)
    if name:
        filled |= {"name": name, "a_name": with_article(name), "names": more_than_one(name)}
    if "other" in slots:
        filled["others"] = more_than_one(slots["other"])
    if "colour" in slots:
        filled["a_colour"] = with_article(slots["colour"])
    if "place" in slots and random.random() < NICKNAME_SHARE:
        filled["place"] = UPPER.get(slots["place"], slots["place"])
    if "row" in slots:
        filled["row_nth"] = NTH[int(slots["row"]) - 1]
    options = [slots.get("options", name), slots.get("other", "")]
    random.shuffle(options)
    return filled | {key: joint.join(options) for key, joint in JOINTS.items()}


def choose_words(kind: str, random: Random) -> str:
    """Choose how a kind of fact is asked for; the slots are still open."""
    words = pick(random, spell(pick(random, PHRASES[kind])))
    if "symbol" in words and random.random() < NICKNAME_SHARE:
        return words.replace("symbol", pick(random, SYMBOLS))
    return words


def weigh_kind(kind: str, answers: dict[str, list[Fact]]) -> int:
    """Say how often a kind is asked, beside others."""
    if kind in LEARNT_SLOWLY:
        return SLOW_WEIGHT
    # What there is much to ask about is asked more often, up to a point.
    return min(sum(len(facts) for facts in answers.values()), MOST_OFTEN)


def ask_casually(scene: Scene, random: Random, count: int) -> list[CasualTurn]:
    """Draw up to `count` different questions in everyday words.

    Args:
        scene: the scene.
        random: source of all choices.
        count: how many are wanted.

    Returns:
        The questions, with what is right.
    """
    if not count:
        return []
    told = find_facts(scene).told
    kinds = list(told)
    weights = np.array([weigh_kind(kind, told[kind]) for kind in kinds], dtype=float)
    weights /= weights.sum()
    turns: dict[str, CasualTurn] = {}
    for _ in range(count * TRIES):
        kind = kinds[int(random.choice(len(kinds), p=weights))]
        # The answer first: yes is as frequent as no, and each number as the others.
        answer = pick(random, list(told[kind]))
        facts = told[kind][answer]
        fact = facts[int(random.integers(len(facts)))]
        slots = fill(fact.slots, random)
        text = pick(random, FRAMES).replace("@", choose_words(kind, random))
        question = write_down(text, slots, random, LOWER_SHARE)
        turns.setdefault(question, CasualTurn(question, answer, kind, fact.items))
        if len(turns) == count:
            break
    return list(turns.values())
