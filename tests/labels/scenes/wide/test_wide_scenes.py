"""Scenes of the wide draw: anywhere, in any font, on anything, and still told right."""

from collections import Counter

import numpy as np
import pytest

from labels.scenes.benchmark import ExtraTurns, ask_questions, conversation, render_scene
from labels.scenes.dense_targets import DENSE_TARGETS, LETTERS, dense_targets, ground_turns
from labels.scenes.draws import SCENES_V3
from labels.scenes.items import CONTENT_INDEX
from labels.scenes.questions import FAMILIES
from labels.scenes.splits import make_scene
from labels.scenes.vocabulary import GLYPHS, IMAGE_SIDE, WORDS
from labels.scenes.wide.backdrops import BACKDROPS, HIDING, UNSEEN_BACKDROPS
from labels.scenes.wide.typefaces import HELD_OUT, KNOWN

SCENES = [make_scene("test", index, 0, SCENES_V3) for index in range(120)]


def test_the_same_number_gives_the_same_picture():
    for split in SCENES_V3.splits:
        first, second = (np.asarray(render_scene(split, 4, 0, SCENES_V3)) for _ in range(2))
        assert first.shape == (IMAGE_SIDE, IMAGE_SIDE, 3)
        np.testing.assert_array_equal(first, second)


def test_items_stay_on_the_canvas():
    for scene in SCENES:
        for item in scene.items:
            left, top, right, bottom = item.box
            assert 0 <= left < right <= IMAGE_SIDE + 1
            assert 0 <= top < bottom <= IMAGE_SIDE + 1


def test_things_lie_anywhere_and_on_the_raster_where_that_is_asked():
    def offsets(scenes):
        return Counter(int(item.box[1]) % 8 for scene in scenes for item in scene.items)

    free = offsets(SCENES)
    assert set(free) == set(range(8))
    assert max(free.values()) < 0.3 * sum(free.values())
    aligned = [make_scene("aligned", index, 0, SCENES_V3) for index in range(40)]
    pictured = [scene for scene in aligned if scene.kind in ("scene", "list", "page")]
    assert {key % 8 for key in offsets(pictured)} == {0}


def test_letters_are_of_all_sizes_between_seven_tenths_and_one_and_four_tenths():
    heights = {
        int(item.box[3] - item.box[1]) for s in SCENES for item in s.items if item.content in WORDS
    }
    assert min(heights) == 12  # pixels: seven tenths of 16, up to whole letters
    assert max(heights) >= 40
    assert len(heights) > 8


@pytest.mark.parametrize(
    ("split", "fonts", "backdrops"),
    [
        ("test", KNOWN, BACKDROPS),
        ("fonts", HELD_OUT, BACKDROPS),
        ("backgrounds", KNOWN, UNSEEN_BACKDROPS),
    ],
)
def test_what_is_held_out_shows_in_its_split_alone(split, fonts, backdrops):
    scenes = [make_scene(split, index, 0, SCENES_V3) for index in range(120)]
    assert {scene.font for scene in scenes} == set(fonts)
    assert {scene.backdrop for scene in scenes} == set(backdrops)


def test_a_background_under_a_photograph_is_not_asked_for():
    for index, scene in enumerate(SCENES):
        assert scene.nameable is (scene.backdrop not in HIDING)
        asked = [q for q in ask_questions("test", index, 8, draw=SCENES_V3) if q.group == "gist"]
        if not scene.nameable:
            assert all(q.answers == (scene.kind,) for q in asked)
            assert (dense_targets(scene)["background"] == -1).all()


def test_all_families_occur_and_things_are_counted_to_nine():
    asked = [q for index in range(300) for q in ask_questions("test", index, 8, draw=SCENES_V3)]
    assert {q.group for q in asked} == set(FAMILIES)
    counted = {q.answers[0] for q in asked if q.group == "counting"}
    assert counted == set("123456789")


def test_dense_targets_name_what_is_drawn_where_at_any_offset():
    for scene in SCENES[:40]:
        maps = dense_targets(scene)
        for name, classes in DENSE_TARGETS.items():
            assert -1 <= maps[name].min() <= maps[name].max() < classes
        for item in scene.items:
            x, y = ((item.box[k] + item.box[k + 2]) / 2 / 8 for k in (0, 1))
            near = maps["content"][max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2]
            assert CONTENT_INDEX[item.content] in near


def test_letters_are_told_where_the_font_puts_them():
    narrow = [
        item for s in SCENES for item in s.items if item.edges and item.box[2] - item.box[0] > 24
    ]
    assert len({item.content for item in narrow}) > 10
    for scene in SCENES:
        letters = dense_targets(scene)["letter"]
        for item in scene.items:
            if not item.edges:
                continue
            assert item.edges[-1] == pytest.approx(item.box[2], abs=0.51)
            starts = (item.box[0], *item.edges[:-1])
            row = int((item.box[1] + item.box[3]) / 2 / 8)
            for letter, start, end in zip(item.text, starts, item.edges, strict=True):
                for column in range(24):
                    # The centre of the patch lies on this letter.
                    if start <= column * 8 + 4 < end - 1e-9:
                        assert LETTERS[letters[row, column]] == letter


def test_a_bar_is_as_long_as_its_value_on_its_track():
    for scene in SCENES:
        for item in scene.items:
            if item.content == "bar":
                unit, rest = divmod(item.box[2] - item.box[0], item.value)
                assert rest == 0
                assert item.box[0] + 9 * unit <= IMAGE_SIDE


def test_counting_one_by_one_looks_at_one_thing_for_each_digit():
    pointed = 0
    for index in range(80):
        turns = conversation("train", index, 4, 0, ExtraTurns(described=3), SCENES_V3)
        places = ground_turns(turns, index, 4, 0, SCENES_V3)
        content = dense_targets(make_scene("train", index, 0, SCENES_V3))["content"].reshape(-1)
        for (request, answer), place in zip(turns, places, strict=True):
            if not request.startswith("Point at each "):
                continue
            name = request.removeprefix("Point at each ").rstrip(".")
            assert name in GLYPHS
            assert answer == "123456789"[: len(answer)]
            # From the end: the end token is the first.
            assert set(place[place > 0]) == set(range(2, len(answer) + 2))
            assert CONTENT_INDEX[name] in set(content[place > 0])
            pointed += 1
    assert pointed > 15
