"""The built-in benchmark: deterministic, split by image, answered from what is drawn."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from labels.metrics.registry import METRICS, reference_text
from labels.scenes.benchmark import (
    ExtraTurns,
    ask_questions,
    conversation,
    find_draft,
    load_scenes,
    render_scene,
    reword,
)
from labels.scenes.dense_targets import DENSE_TARGETS, dense_targets
from labels.scenes.descriptions import describe_scene
from labels.scenes.draws import DRAWS, FIRST_SPLITS, SCENES_V2
from labels.scenes.items import CONTENT_INDEX
from labels.scenes.layouts import MAKERS, lay_out
from labels.scenes.questions import FAMILIES, ask_scene
from labels.scenes.splits import make_scene
from labels.scenes.templates import TEMPLATES
from labels.scenes.vocabulary import COLOURS, GLYPHS, IMAGE_SIDE, WORDS


def test_same_number_gives_same_scene_and_pixels():
    assert make_scene("test", 7) == make_scene("test", 7)
    first, second = (np.asarray(render_scene("test", 7)) for _ in range(2))
    assert first.shape == (IMAGE_SIDE, IMAGE_SIDE, 3)
    np.testing.assert_array_equal(first, second)


def test_splits_and_seeds_share_no_image():
    sets = [load_scenes(split, 20) for split in FIRST_SPLITS] + [load_scenes("test", 20, seed=1)]
    ids = [image_id for questions in sets for image_id in questions.image_ids]
    assert len(ids) == len(set(ids)) == 20 * len(sets)


def test_questions_carry_the_hash_of_their_image_and_load_it():
    questions = load_scenes("calibration", 3)
    drawn = np.asarray(render_scene("calibration", 1))
    np.testing.assert_array_equal(np.asarray(questions.image(questions.image_ids[1])), drawn)
    assert questions.name == "scenes:calibration:0:3"


def test_all_families_occur_and_every_weight_names_one():
    asked = Counter(q.group for index in range(150) for q in ask_questions("train", index, 8))
    assert set(asked) == set(FAMILIES)
    for draw in DRAWS.values():
        named = {name for weights in draw.family_weights.values() for name in weights}
        assert named == set(FAMILIES)


@pytest.mark.parametrize("kind", MAKERS)
def test_items_stay_on_the_canvas(kind):
    for seed in range(40):
        for item in MAKERS[kind](np.random.default_rng(seed), SCENES_V2, False).items:
            left, top, right, bottom = item.box
            assert 0 <= left < right <= IMAGE_SIDE + 1
            assert 0 <= top < bottom <= IMAGE_SIDE + 1


def test_colour_questions_name_a_unique_thing_and_its_colour():
    for seed in range(60):
        random = np.random.default_rng(seed)
        scene = lay_out(random, SCENES_V2, "grid", unseen=False)
        for draft in ask_scene(scene, random, SCENES_V2, 8):
            if draft.template == "colour":
                actual = [item for item in scene.items if item.content == draft.slots["name"]]
                assert [item.colour for item in actual] == [draft.answer]


def test_existence_answers_are_true():
    for index in range(80):
        contents = {item.content for item in make_scene("train", index).items}
        for question in ask_questions("train", index, 8):
            if question.group == "existence":
                named = [w for w in (*GLYPHS, *WORDS) if f" {w} " in f" {plain(question)} "]
                assert (named[0] in contents) is (question.answers == ("yes",))


def plain(question):
    return question.question.replace("?", " ").replace(".", " ")


def test_expected_texts_score_full_marks():
    for index in range(40):
        for question in ask_questions("test", index, 8):
            assert METRICS[question.metric](reference_text(question), question).score == 1.0


def test_choices_have_four_options_with_the_answer_among_them():
    asked = [q for index in range(120) for q in ask_questions("train", index, 8) if q.choices]
    assert asked
    for question in asked:
        assert len(set(question.choices)) == 4
        assert question.choices.count(question.answers[0]) == 1


def test_conversation_spells_out_options_and_answers_with_one_of_them():
    turns = [turn for index in range(120) for turn in conversation("train", index, 8)]
    optional = [(asked, answer) for asked, answer in turns if "\nA. " in asked]
    assert optional
    for asked, answer in optional:
        assert answer in {line[3:] for line in asked.splitlines()[1:]}


def test_unseen_things_and_held_out_words_are_only_out_of_distribution():
    for split, expected in (("train", False), ("ood", True)):
        scenes = [make_scene(split, index) for index in range(60)]
        contents = {item.content for scene in scenes for item in scene.items}
        assert ("unseen" in contents) is expected
        assert any(scene.textured for scene in scenes) is expected
    for training, held_out in TEMPLATES.values():
        assert not set(training) & set(held_out)


def test_dense_targets_name_what_is_drawn_where():
    scene = make_scene("train", 3)
    maps = dense_targets(scene)
    assert set(maps) == set(DENSE_TARGETS)
    for item in scene.items:
        x, y = ((item.box[i] + item.box[i + 2]) / 2 / 8 for i in (0, 1))
        assert maps["content"][int(y), int(x)] == CONTENT_INDEX[item.content]
    for name, classes in DENSE_TARGETS.items():
        assert maps[name].max() < classes
        assert maps[name].min() >= -1


def test_colours_are_as_many_as_the_choices_need():
    assert len(COLOURS) >= 4


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="unknown split 'dev'.*router-train"):
        make_scene("dev", 0)


def test_no_images_is_refused():
    with pytest.raises(ValueError, match="at least one image.*got 0"):
        load_scenes("test", 0)


def test_descriptions_tell_what_is_drawn():
    for index in range(60):
        scene = make_scene("train", index)
        for asked, answer in describe_scene(scene, np.random.default_rng(index), 6):
            assert answer.split()
            if asked.startswith("Describe the ") and scene.kind in ("grid", "scene"):
                name = asked.removeprefix("Describe the ").rstrip(".")
                assert answer.split()[0] == only(scene, name).colour
            if asked.startswith("Read") and scene.kind == "page":
                row = int(asked.rstrip(".").split()[2]) - 1
                words = [item.content for item in scene.items if item.row == row]
                assert " ".join(words).endswith(answer) or answer in " ".join(words)


def only(scene, name):
    (actual,) = [item for item in scene.items if item.content == name]
    return actual


def test_descriptions_stand_in_front_and_leave_the_questions_alone():
    plain_turns = conversation("train", 5, 4)
    assert conversation("train", 5, 4, extra=ExtraTurns(3, 2))[-len(plain_turns) :] == plain_turns


def test_numbers_of_a_list_are_the_digits_drawn_beside_their_pictogram():
    asked = 0
    for index in range(60):
        scene = make_scene("train", index)
        for question in ask_questions("train", index, 8):
            if question.group == "number":
                (name,) = [n for n in GLYPHS if f" {n} " in f" {plain(question)} "]
                digits = [item for item in scene.items if item.left == name]
                assert [d.column for d in digits] == [0, 1, 2, 3]
                assert question.answers == ("".join(d.content for d in digits),)
                assert {d.row for d in digits} == {only(scene, name).row}
                asked += 1
    assert asked > 20


@pytest.mark.parametrize("name", ["scenes-v1", "scenes-v2"])
def test_other_words_ask_the_same_and_are_always_the_same(name):
    draw = DRAWS[name]
    other = same = 0
    for index in range(10):
        for question in ask_questions("test", index, draw.questions_per_image, draw=draw):
            texts = [reword(question, repeat, False, draw) for repeat in (1, 2, 3)]
            assert texts == [reword(question, repeat, False, draw) for repeat in (1, 2, 3)]
            [(_, draft)] = [find_draft(question, draw)]
            forms = {form.format(**draft.slots) for form in TEMPLATES[draft.template][0]}
            assert {question.question, *texts} <= forms
            other += question.question not in texts
            # All different, as far as there are so many forms.
            same += len({*texts, question.question}) < min(4, len(forms))
    assert other > 50 and same <= 1


def test_words_of_other_data_stay():
    question = replace(ask_questions("test", 0, 1)[0], sample_id="mine")
    assert reword(question, 1, False, SCENES_V2) == question.question
