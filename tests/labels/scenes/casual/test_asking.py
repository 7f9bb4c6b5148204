"""Questions in everyday words: all kinds come up, answers are right, what is held out stays so."""

import re
from collections import Counter

import numpy as np
import pytest

from labels.scenes.benchmark import ExtraTurns, conversation
from labels.scenes.casual.asking import LEARNT_SLOWLY, ask_casually, fill, spell
from labels.scenes.casual.finding import find_facts
from labels.scenes.casual.phrases import FRAMES, PHRASES
from labels.scenes.draws import SCENES_V3
from labels.scenes.items import Item, Scene
from labels.scenes.splits import make_scene
from labels.scenes.templates import TEMPLATES
from labels.scenes.wide.grammar import CORES
from labels.scenes.wide.wording import wordings

SLOTS = {"name": "name", "other": "other"}


@pytest.fixture(scope="module")
def scenes():
    return [make_scene("train", index, 0, SCENES_V3) for index in range(300)]


def thing(name, row, column, colour="red", **more):
    return Item(name, name, (0.0, 0.0, 16.0, 16.0), colour, row, column, **more)


def told(kind, items, rows, columns):
    return find_facts(Scene(kind, "white", tuple(items), rows, columns, "font")).told


def answers(facts, kind, **slots):
    return {answer for answer, ways in facts[kind].items() for way in ways if way.slots == slots}


def words_of(texts):
    return {word for text in texts for word in re.findall("[a-z']+", text.lower())}


def bare(text):
    """A text without case and signs, with one way to write an article."""
    return re.sub(r"\W+", " ", text.lower().replace("{a_name}", "a {name}")).strip()


def test_there_are_words_for_every_fact_and_every_word_is_used(scenes):
    assert {kind for scene in scenes for kind in find_facts(scene).told} == set(PHRASES)
    assert set(PHRASES) >= LEARNT_SLOWLY


def test_all_slots_are_filled_and_questions_differ(scenes):
    random = np.random.default_rng(0)
    for scene in scenes:
        turns = ask_casually(scene, random, 6)
        assert len(turns) == len({turn.question for turn in turns}) == 6
        assert not any(set("{}()|@~") & set(question) for question, *_ in turns)
    assert ask_casually(scenes[0], random, 0) == []


def test_what_the_wide_draw_holds_out_is_in_none():
    known = words_of(text for core in CORES for text in wordings(core, "train"))
    held_out = words_of(text for core in CORES for text in wordings(core, "words")) - known
    phrases = {text for ways in PHRASES.values() for way in ways for text in spell(way)}
    assert len(held_out) > 20
    assert not words_of([*phrases, *FRAMES]) & held_out
    unseen = {text for core in CORES for text in wordings(core, "patterns")}
    unseen |= {text for _, held in TEMPLATES.values() for text in held}
    asked = {frame.replace("@", text) for frame in FRAMES for text in phrases}
    assert not {bare(text) for text in asked} & {bare(text) for text in unseen}


def test_a_grid_is_told_by_its_cells():
    names = ("star", "moon", "star", "flag")
    facts = told("grid", [thing(name, k // 2, k % 2) for k, name in enumerate(names)], 2, 2)
    assert answers(facts, "count", name="star") == {"2"}
    assert answers(facts, "total") == {"4"}
    assert answers(facts, "most") == {"star"}
    assert answers(facts, "at", place="bottom right") == {"flag"}
    assert answers(facts, "before", name="moon") == {"star"}
    assert answers(facts, "below", name="moon") == {"flag"}
    assert "after" not in facts  # nothing is right of the moon or of the flag
    assert answers(facts, "row end", row="2") == {"flag"}
    assert answers(facts, "has", name="dog") == {"no"}
    assert answers(facts, "has coloured", name="moon", colour="red") == {"yes"}
    assert answers(facts, "is colour", name="moon", colour="blue") == {"no"}
    assert "only" not in facts
    assert answers(facts, "colour count", colour="red") == {"4"}
    assert answers(facts, "has colour", colour="blue") == {"no"}
    assert answers(facts, "are more", name="star", other="flag") == {"yes"}
    assert answers(facts, "kinds") == {"3"}
    assert answers(facts, "more of", name="flag", other="star") == {"star"}
    assert answers(facts, "colour at", name="flag", place="bottom right") == {"red"}
    assert answers(facts, "colour beside", name="moon", where="left of") == {"red"}


def test_a_colour_tells_one_from_others_of_its_name():
    things = (("star", "green"), ("star", "red"), ("moon", "blue"))
    cells = [thing(name, 0, k, colour) for k, (name, colour) in enumerate(things)]
    facts = told("grid", cells, 1, 3)
    assert answers(facts, "after", name="red star") == {"moon"}
    assert "star" not in {way.slots["name"] for ways in facts["after"].values() for way in ways}


def test_a_list_is_told_by_its_numbers():
    lines = [thing("star", 0, 0, number="1234"), thing("moon", 1, 0, "blue", number="5678")]
    facts = told("list", lines, 2, 1)
    assert answers(facts, "number", name="moon") == {"5678"}
    assert answers(facts, "last digit", name="star") == {"4"}
    assert answers(facts, "whose", number="1234") == {"star"}
    assert answers(facts, "line number", row="2") == {"5678"}
    assert answers(facts, "only", colour="blue") == {"moon"}
    assert answers(facts, "number colour", number="5678") == {"blue"}
    assert answers(facts, "has number", number="1234") == {"yes"}
    assert answers(facts, "has number", number="4321") == {"no"}
    assert answers(facts, "below", name="red star") == {"moon"}


def test_a_menu_is_told_by_its_prices():
    prices = {"tea": 4, "milk": 2, "rice": 4}
    lines = [thing(name, k, 0, "", value=prices[name]) for k, name in enumerate(prices)]
    facts = told("menu", lines, 3, 1)
    assert answers(facts, "cheapest") == {"milk"}
    assert "dearest" not in facts  # there are two
    assert answers(facts, "costs", price="2") == {"milk"}
    assert answers(facts, "is cheaper", name="milk", other="rice") == {"yes"}
    assert answers(facts, "is cheaper", name="rice", other="milk") == {"no"}
    assert answers(facts, "which cheaper", options="milk", other="rice") == {"milk"}
    assert answers(facts, "between", name="tea", other="rice") == {"milk"}
    assert answers(facts, "follows", name="tea") == answers(facts, "over", name="rice")
    assert answers(facts, "first") == {"tea"} and answers(facts, "last") == {"rice"}
    assert answers(facts, "has word", name="pizza") == {"no"}
    assert answers(facts, "items") == {"3"}
    assert answers(facts, "initial", letter="m") == {"milk"}
    assert answers(facts, "same value", name="tea", other="rice") == {"yes"}
    assert answers(facts, "has digit", price="9") == {"no"}
    assert answers(facts, "equal", name="tea") == {"rice"}
    assert answers(facts, "over price", name="milk", price="1") == {"yes"}
    assert answers(facts, "over price", name="milk", price="3") == {"no"}
    assert answers(facts, "letters", name="milk") == {"4"}
    assert answers(facts, "text side", name="left", options="left", other="right") == {"left"}
    assert answers(facts, "ink") == {"black"}


def test_a_menu_in_two_columns_is_told_by_them():
    words = (("tea", 0, 0), ("milk", 1, 0), ("rice", 0, 1), ("fish", 1, 1))
    lines = [thing(name, row, column, "", value=3) for name, row, column in words]
    facts = told("menu", lines, 2, 2)
    assert answers(facts, "column end", side="left") == {"milk"}
    assert answers(facts, "word at", place="top right") == {"rice"}
    assert answers(facts, "under", name="rice") == {"fish"}
    assert "follows" not in facts  # down or across


def test_values_are_subtracted_and_added_up():
    prices = {"tea": 4, "milk": 9}
    lines = [thing(name, k, 0, "", value=prices[name]) for k, name in enumerate(prices)]
    facts = told("menu", lines, 2, 1)
    assert answers(facts, "difference", name="milk", other="tea") == {"5"}
    assert answers(facts, "together", name="tea", other="milk") == {"13"}
    assert answers(facts, "most letters") == {"milk"}
    assert answers(facts, "fewest letters") == {"tea"}
    three = told("page", [thing(name, 0, k, "") for k, name in enumerate(("tea", "ham"))], 1, 2)
    assert not {"most letters", "fewest letters"} & set(three)


def test_what_everybody_knows_of_a_thing_is_told():
    facts = told("scene", [thing("square", 0, 0)], 1, 1)
    assert answers(facts, "sides", name="shape") == answers(facts, "sides", name="square") == {"4"}
    assert answers(facts, "none", name="star") == {"0"}
    assert not answers(facts, "none", name="square")
    facts = told("scene", [thing("umbrella", 0, 0), thing("star", 1, 1)], 2, 2)
    assert answers(facts, "useful", use="stay dry") == {"umbrella"}


def test_a_chart_is_told_by_its_bars():
    values = {"tea": 4, "milk": 9}
    lines = [thing(name, k, -1, "", value=values[name]) for k, name in enumerate(values)]
    bars = [Item("bar", "", (0.0, 0.0, 9.0, 9.0), "red", k, left=n) for k, n in enumerate(values)]
    facts = told("chart", lines + bars, 2, 1)
    assert answers(facts, "longest") == {"milk"}
    assert answers(facts, "reaches", price="4") == {"tea"}
    assert answers(facts, "is more", name="milk", other="tea") == {"yes"}
    assert answers(facts, "bar colour", name="tea") == {"red"}
    assert answers(facts, "bars") == {"2"}
    assert "coloured bar" not in facts  # both are red
    assert answers(facts, "coloured bars", colour="red") == {"2"}
    assert answers(facts, "has coloured bar", colour="blue") == {"no"}


def test_a_page_is_told_by_its_words():
    words = (("tea", "milk"), ("tea", "rice"))
    lines = [thing(name, r, c, "") for r, line in enumerate(words) for c, name in enumerate(line)]
    facts = told("page", lines, 2, 2)
    assert answers(facts, "words") == {"4"}
    assert answers(facts, "columns") == {"2"}
    assert answers(facts, "line words", row="2") == {"tea rice"}
    assert answers(facts, "times", name="tea") == {"2"}
    assert answers(facts, "line end", row="1") == {"milk"}
    assert answers(facts, "precedes", name="rice") == {"tea"}
    assert "follows" not in facts  # what follows tea is not one word


def test_names_have_plurals_articles_and_other_names():
    filled = [fill({"name": "plus"}, np.random.default_rng(seed)) for seed in range(40)]
    assert {one["names"] for one in filled} == {"pluses", "plus signs", "crosses"}
    assert fill({"name": "anchor"}, np.random.default_rng(0))["a_name"] == "an anchor"
    orders = {fill(SLOTS, np.random.default_rng(seed))["options"] for seed in range(20)}
    assert orders == {"name or other", "other or name"}


def test_yes_is_as_frequent_as_no(scenes):
    random = np.random.default_rng(1)
    said = Counter(turn.answer for scene in scenes for turn in ask_casually(scene, random, 6))
    assert 0.7 < said["yes"] / said["no"] < 1.4


def test_they_stand_behind_the_descriptions_and_change_no_other_turn():
    plain = conversation("train", 5, 4, draw=SCENES_V3)
    described = conversation("train", 5, 4, 0, ExtraTurns(described=2), SCENES_V3)
    both = conversation("train", 5, 4, 0, ExtraTurns(2, 3), SCENES_V3)
    assert both[:2] == described[:2] and both[5:] == plain
