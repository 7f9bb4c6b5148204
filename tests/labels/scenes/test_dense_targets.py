"""What a question is about lies where the generator drew it."""

import re

import numpy as np

from labels.scenes.benchmark import ExtraTurns, casual_turns, conversation
from labels.scenes.dense_targets import (
    CONTENT_INDEX,
    MIDDLE_PARTS,
    dense_targets,
    ground_turns,
)
from labels.scenes.draws import SCENES_V3
from labels.scenes.splits import make_scene
from labels.scenes.vocabulary import GLYPHS, WORDS


def test_marked_patches_show_what_the_question_names():
    marked = 0
    for index in range(40):
        turns = conversation("train", index, 9, 0, ExtraTurns(described=3))
        places = ground_turns(turns, index, 9, 0, extra=ExtraTurns(described=3))
        assert places.shape == (len(turns), 576)
        content = dense_targets(make_scene("train", index, 0))["content"].reshape(-1)
        for (question, _), place in zip(turns, places, strict=True):
            if not place.any():
                continue
            marked += 1
            words = re.findall("[a-z]+", question)
            named = {CONTENT_INDEX[word] for word in words if word in (*GLYPHS, *WORDS)}
            # A bar and a number are asked for by another name.
            named |= {CONTENT_INDEX[name] for name in ("bar", *"0123456789")}
            # Neighbours of twelve pixels share patches, so more may be shown than was named.
            assert named & set(content[place > 0].tolist())
    assert marked > 100


def test_a_question_about_the_whole_picture_marks_nothing():
    for index in range(20):
        turns = conversation("train", index, 9, 0)
        for (question, _), place in zip(turns, ground_turns(turns, index, 9, 0), strict=True):
            if "background" in question or "rows" in question:
                assert not place.any()


def test_each_digit_of_a_number_is_marked_for_its_own_token():
    asked = 0
    for index in range(60):
        turns = conversation("train", index, 9, 0)
        places = ground_turns(turns, index, 9, 0)
        content = dense_targets(make_scene("train", index, 0))["content"].reshape(-1)
        for (question, answer), place in zip(turns, places, strict=True):
            if "number" not in question or "rows" in question:
                continue
            # From the end: the end token is the first, the last digit the second.
            for from_end, digit in enumerate(reversed(answer), start=2):
                assert set(content[place == from_end]) == {CONTENT_INDEX[digit]}
            asked += 1
    assert asked > 20


def test_everyday_questions_mark_what_shows_their_answer():
    extra = ExtraTurns(casual=6)
    kinds = {}
    for index in range(200):
        turns = conversation("train", index, 4, 0, extra, SCENES_V3)
        places = ground_turns(turns, index, 4, 0, SCENES_V3, extra)
        asked = casual_turns("train", index, 6, 0, SCENES_V3)
        content = dense_targets(make_scene("train", index, 0, SCENES_V3))["content"].reshape(-1)
        for turn, pair, place in zip(asked, turns[:6], places[:6], strict=True):
            assert pair == turn[:2]
            kinds.setdefault(turn.kind, []).append((turn.answer, set(content[place > 0])))
            if turn.kind == "number":
                last = CONTENT_INDEX[turn.answer[-1]]
                assert set(content[place == 2]) == {last}
    for answer, shown in kinds["after"] + kinds["first"] + kinds["whose"] + kinds["only"]:
        assert CONTENT_INDEX[answer] in shown
    for answer, shown in kinds["has"]:
        assert bool(shown) == (answer == "yes")
    assert not any(shown for _, shown in kinds["kind"])


def test_the_shared_middles_of_things_count_them_however_large_they_are():
    told = {}
    for index in range(200):
        scene = make_scene("train", index, 0, SCENES_V3)
        targets = dense_targets(scene)
        for name, count in scene.counts.items():
            if name not in GLYPHS or count > scene.most_counted:
                continue
            shown = targets["content"] == CONTENT_INDEX[name]
            assert (targets["middle"][shown] >= 0).all()
            told.setdefault(count, []).append(targets["middle"][shown].sum() / MIDDLE_PARTS)
    assert set(told) == set(range(1, 10))
    # Parts are whole, and where two things touch the later one has the patch.
    for count, sums in told.items():
        assert abs(np.mean(sums) - count) < 0.15
        assert np.mean(np.rint(sums) == count) > 0.9
