"""Phrases a draft by the grammar of the wide draw, with slips of the pen in a share."""

import re
from functools import cache
from itertools import product

import numpy as np

from labels.scenes.layouts import pick
from labels.scenes.questions import Draft
from labels.scenes.wide.forms import Forms
from labels.scenes.wide.grammar import CORES, FRAMES

Random = np.random.Generator

HELD_OUT = "~"
PATTERNS_SPLIT = "patterns"
WORDS_SPLIT = "words"
CORE_PLACE = "@"

TYPO_SHARE = 0.1
LOWER_SHARE = 0.2
SHORTEST_MISSPELT = 4
NUMBERED = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)


@cache
def expand(pattern: str) -> tuple[str, ...]:
    """Spell out every choice of a pattern; held-out alternatives keep their "~".

    >>> expand("a (red|~scarlet) cat")
    ('a red cat', 'a ~scarlet cat')
    """
    # The first choice without another one inside; the rest is spelt out in turn.
    choice = re.search(r"\(([^()]*)\)", pattern)
    if not choice:
        return (pattern,)
    before, after = pattern[: choice.start()], pattern[choice.end() :]
    return tuple(
        text for option in choice[1].split("|") for text in expand(f"{before}{option}{after}")
    )


def known_wordings(pattern: str) -> tuple[str, ...]:
    """Spell out the choices of a pattern that hold no held-out word."""
    return tuple(text for text in expand(pattern) if HELD_OUT not in text)


def framed(frames: Forms, cores: Forms) -> list[tuple[str, str]]:
    """Pair every core with the frames of its form."""
    return [
        (frame, core)
        for form, patterns in cores.items()
        for core in patterns
        for frame in frames[form]
    ]


@cache
def spell_pair(frame: str, core: str, split: str) -> tuple[str, ...]:
    """List the wordings of a core in a frame that a split may use, with slots open."""
    if split == WORDS_SPLIT:
        texts = [
            outer.replace(CORE_PLACE, inner)
            for outer, inner in product(expand(frame), expand(core))
        ]
        return tuple(text.replace(HELD_OUT, "") for text in texts if HELD_OUT in text)
    return tuple(
        outer.replace(CORE_PLACE, inner)
        for outer, inner in product(known_wordings(frame), known_wordings(core))
    )


@cache
def pairs_of(template: str, split: str) -> tuple[tuple[str, str], ...]:
    """List the pairs of a frame and a core that a split asks a template with."""
    cores = CORES[template]
    if split == PATTERNS_SPLIT:
        # An unseen core in a known frame, or both unseen.
        pairs = framed(FRAMES.known, cores.unseen) + framed(FRAMES.unseen, cores.unseen)
    else:
        pairs = framed(FRAMES.known, cores.known)
    return tuple(pair for pair in pairs if spell_pair(*pair, split))


def wordings(template: str, split: str) -> set[str]:
    """Collect the different wordings of a template in a split, with slots open."""
    return {text for pair in pairs_of(template, split) for text in spell_pair(*pair, split)}


def misspell(text: str, random: Random) -> str:
    """Swap, drop or double a letter of one word that is not a slot."""
    words = text.split(" ")
    places = [
        k for k, word in enumerate(words) if word.isalpha() and len(word) >= SHORTEST_MISSPELT
    ]
    if not places:
        return text
    place = places[int(random.integers(len(places)))]
    word = words[place]
    at = int(random.integers(1, len(word) - 1))
    slips = [
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
    ]
    words[place] = pick(random, slips)
    return " ".join(words)


def with_article(name: str) -> str:
    """Put an article before a name."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def fill_slots(draft: Draft) -> dict[str, str]:
    """Complete the slots of a draft with an article and an ordinal."""
    slots = dict(draft.slots)
    if "name" in slots:
        slots["a_name"] = with_article(slots["name"])
    if "row" in slots:
        slots["row_nth"] = NUMBERED[int(slots["row"]) - 1]
    return slots


def write_down(text: str, slots: dict[str, str], random: Random, lower: float) -> str:
    """Fill the slots of a wording, with a slip of the pen now and then.

    Args:
        text: the wording, in lower case, with slots open.
        slots: what fills them.
        random: source of all choices.
        lower: share of the texts that do not begin with a capital.
    """
    if random.random() < TYPO_SHARE:
        text = misspell(text, random)
    text = text.format(**slots)
    return text if random.random() < lower else text[0].upper() + text[1:]


def word_draft(draft: Draft, random: Random, split: str) -> str:
    """Phrase a draft by a random wording of a split."""
    pairs = pairs_of(draft.template, split)
    # A pair first: one with many choices must not push the others out.
    frame, core = pairs[int(random.integers(len(pairs)))]
    text = pick(random, spell_pair(frame, core, split))
    return write_down(text, fill_slots(draft), random, LOWER_SHARE)
