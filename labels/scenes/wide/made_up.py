"""Words that nobody knows, in place of known ones: for training alone.

A model that was trained from nothing on one generator's questions takes every word of them for a
sign of what is meant, and a word that it has never seen misleads it. Trained on questions in which
some words are made up it goes by the others.
"""

import re

import numpy as np

from labels.scenes.layouts import pick
from labels.scenes.vocabulary import BACKGROUNDS, COLOURS, GLYPHS, WORDS
from labels.scenes.wide.wording import NUMBERED

Random = np.random.Generator

CONSONANTS = tuple("bdfgklmnprstvz")
VOWELS = tuple("aeiou")
SYLLABLES = (2, 3)

# What a question is about is not to be guessed.
MEANT = frozenset(
    (*GLYPHS, *WORDS, *COLOURS, *BACKGROUNDS, *NUMBERED)
    + tuple(
        "left right top bottom upper lower above below under over beneath underneath before after "
        "middle center centre last topmost uppermost lowest highest longest shortest biggest "
        "largest smallest tiniest "
        "most least more less fewest bigger larger smaller cheaper cheapest expensive higher "
        "row column line word bar digit number start begin end same dark light "
        "airplane envelope music musical telephone cross sign dot disc chess not no".split()
    )
)


def invent_word(random: Random) -> str:
    """Make up a word of two or three syllables, some with a consonant at the end."""
    count = int(random.integers(SYLLABLES[0], SYLLABLES[1] + 1))
    syllables = [pick(random, CONSONANTS) + pick(random, VOWELS) for _ in range(count)]
    return "".join(syllables) + (pick(random, CONSONANTS) if random.random() < 1 / 2 else "")


def is_meant(word: str) -> bool:
    """Tell whether a word names what is asked about, alone or more than one of it."""
    return not {word, word.removesuffix("s"), word.removesuffix("es")}.isdisjoint(MEANT)


def replace_word(question: str, random: Random) -> str:
    """Put a made-up word in place of one word of a question that names nothing drawn.

    Args:
        question: the question; the options below its first line stay as they are.
        random: source of all choices.

    Returns:
        The question; as it was if no word may be replaced.
    """
    asked, *options = question.split("\n")
    words = [match for match in re.finditer("[A-Za-z]+", asked) if not is_meant(match[0].lower())]
    if not words:
        return question
    word = words[int(random.integers(len(words)))]
    asked = asked[: word.start()] + invent_word(random) + asked[word.end() :]
    return "\n".join((asked, *options))
