"""Questions of the wide draw: many wordings, and what is held out stays held out."""

import re

import numpy as np
import pytest

from labels.scenes.benchmark import ask_questions
from labels.scenes.draws import SCENES_V3
from labels.scenes.questions import Draft
from labels.scenes.templates import TEMPLATES
from labels.scenes.wide.grammar import CORES
from labels.scenes.wide.wording import expand, misspell, word_draft, wordings

SLOTS = {"name": "anchor", "row": "3", "column": "2", "nth": "second", "side": "left"}


def words_of(texts):
    return {word for text in texts for word in re.findall("[a-z']+", text.lower())}


KNOWN_WORDS = words_of(text for template in CORES for text in wordings(template, "train"))


def test_every_template_has_a_grammar():
    assert set(CORES) == set(TEMPLATES)


@pytest.mark.parametrize("template", CORES)
def test_each_template_has_hundreds_of_wordings_and_unseen_ones(template):
    known = wordings(template, "train")
    assert len(known) >= 200
    patterns = wordings(template, "patterns")
    assert len(patterns) >= 40
    assert not {text.lower() for text in known} & {text.lower() for text in patterns}
    # What is new in an unseen pattern is the pattern: its words are known.
    assert words_of(patterns) <= KNOWN_WORDS


@pytest.mark.parametrize("template", CORES)
def test_held_out_words_are_in_every_question_of_their_split_and_in_no_other(template):
    held_out = words_of(wordings(template, "words")) - KNOWN_WORDS
    assert held_out
    for text in wordings(template, "words"):
        assert words_of([text]) - KNOWN_WORDS


@pytest.mark.parametrize("template", CORES)
def test_wordings_of_the_second_draw_are_known_and_what_it_held_out_is_not(template):
    known = {text.replace("{a_name}", "a {name}").lower() for text in wordings(template, "train")}
    trained, held_out = TEMPLATES[template]
    # "What do they ask" and the like may be spelt in a choice: all are there.
    assert {text.lower() for text in trained} <= known
    assert not {text.lower() for text in held_out} & known


def test_choices_may_lie_inside_one_another():
    assert expand("(a (b|~c)|d) e") == ("a b e", "d e", "a ~c e", "d e")


def test_slots_are_filled_with_the_right_article_and_ordinal():
    random = np.random.default_rng(0)
    for template in CORES:
        draft = Draft("", template, SLOTS, "", 8)
        for split in ("train", "patterns", "words"):
            for _ in range(60):
                text = word_draft(draft, random, split)
                assert not set("{}()|~@") & set(text)
                assert " a anchor" not in text
                assert len(text.split()) < 25


def test_a_slip_changes_one_word_and_no_slot():
    random = np.random.default_rng(1)
    before = "please tell me where the {name} is"
    for _ in range(50):
        after = misspell(before, random)
        changed = [
            (old, new) for old, new in zip(before.split(), after.split(), strict=True) if old != new
        ]
        assert len(changed) <= 1
        assert "{name}" in after
    assert misspell("is it on", random) == "is it on"


def test_the_splits_for_wording_ask_in_held_out_words_alone():
    asked = [
        q.question for index in range(30) for q in ask_questions("words", index, 6, draw=SCENES_V3)
    ]
    assert len(set(asked)) > 100
