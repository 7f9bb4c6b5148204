"""What the omniscient router is told of the things in a scene."""

from dataclasses import replace

import pytest

from labels.questions import Question
from labels.scenes.benchmark import ask_questions
from labels.scenes.draws import DRAWS, SCENES_V2, public_name
from labels.scenes.geometry import describe_samples, describe_target, name_facts
from labels.scenes.items import Item, Scene
from labels.scenes.questions import Draft


def make_scene(*items):
    return Scene("grid", "white", items, 2, 2, "DejaVuSansMono.ttf")


def test_how_a_thing_lies_to_the_cells_by_hand():
    star = Item("star", "*", (4, 0, 12, 8), colour="red", row=0, column=0)
    # It fills half of the star's right-hand cell of 8 pixels, and is alone in the next.
    moon = Item("moon", "m", (12, 0, 20, 8), colour="blue", row=0, column=1)
    draft = Draft("attribute", "colour", {"name": "star"}, "red", 8)
    actual = describe_target(make_scene(star, moon), draft)
    # Of a cell of 8 pixels: half of it on each side of the edge. The first of equals is the left.
    assert (actual["key_inside_8"], actual["key_cells_8"], actual["key_shift_across_8"]) == (
        0.5,
        2,
        0.5,
    )
    assert (actual["key_fills_8"], actual["key_others_8"]) == (0.5, 0)
    # In the cell of 16 pixels it lies whole, beside the left half of the moon.
    assert (actual["key_inside_16"], actual["key_cells_16"]) == (1, 1)
    assert (actual["key_others_16"], actual["key_other_ink_16"]) == (1, 4 * 8 / 16**2)
    assert (actual["key_edge"], actual["key_across"], actual["key_width"]) == (0, 8, 8)
    assert actual["key_contrast"] == pytest.approx(250 - (0.299 * 214 + 0.587 * 30 + 0.114 * 38))
    # Nothing else holds the answer.
    assert actual["answer_inside_8"] == 0.5 and actual["reply_letters"] == 3


def test_a_number_is_read_from_its_digits_and_a_neighbour_from_itself():
    star = Item("star", "*", (0, 0, 8, 8), row=0, column=0, number="17")
    digits = [
        Item(digit, digit, (8 + 8 * k, 0, 16 + 8 * k, 8), row=0, column=k, left="star")
        for k, digit in enumerate("17")
    ]
    draft = Draft("number", "number", {"name": "star"}, "17", 8)
    actual = describe_target(make_scene(star, *digits), draft)
    assert (actual["named"], actual["answering"], actual["answer_across"]) == (1, 2, 12)
    moon = Item("moon", "m", (64, 0, 70, 6), row=0, column=1, left="star")
    draft = Draft("relation", "beside", {"name": "star", "side": "right"}, "moon", 8)
    actual = describe_target(make_scene(star, moon), draft)
    assert (actual["answering"], actual["answer_width"], actual["side"]) == (1, 6, 1)


@pytest.mark.parametrize("name", ["scenes-v1", "scenes-v2"])
def test_every_question_about_a_thing_finds_it(name):
    draw = DRAWS[name]
    count = draw.questions_per_image
    questions = [q for index in range(30) for q in ask_questions("test", index, count, draw=draw)]
    described = describe_samples(f"{public_name(draw)}:test:0:30", questions)
    families = set()
    for question, facts in zip(questions, described, strict=True):
        if facts["answering"] == 0:
            # About no single thing: the background, the kind of picture, the number of rows.
            assert question.group in ("gist", "layout")
            continue
        families.add(question.group)
        assert 0 < facts["answer_inside_16"] <= 1
    assert {"identity", "counting", "reading", "table", "chart", "number", "relation"} <= families
    assert "answer_contrast" in name_facts([described])


def test_of_other_data_nothing_is_known():
    [first, *_] = ask_questions("test", 0, 6)
    assert describe_samples("scenes:test:0:1", [first])[0]
    assert describe_samples("mine.jsonl", [first]) == [{}]
    # Of a generator that drew another scene under this name, or none that is known.
    older = replace(first, meta={**first.meta, "items": 99})
    foreign = Question("q1", "i", "What?", ("a",), "exact")
    assert describe_samples("scenes:test:0:1", [older, foreign]) == [{}, {}]
    assert describe_samples(f"{SCENES_V2.name}:test:0:1", [first]) != [{}]


def test_without_the_fonts_of_the_wide_draw_nothing_is_known(monkeypatch, caplog):
    [first, *_] = ask_questions("test", 0, 6)

    def refuse():
        raise ValueError("the font is missing")

    monkeypatch.setattr("labels.scenes.geometry.check_fonts", refuse)
    assert describe_samples("scenes-v3:test:0:1", [first, first]) == [{}, {}]
    assert "without the places of things: the font is missing" in caplog.text
    assert describe_samples("scenes:test:0:1", [first])[0]
