"""Training batches depend on their number alone and hold what the generator drew."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from labels.scenes.benchmark import ExtraTurns, render_scene
from labels.scenes.dense_targets import DENSE_TARGETS, dense_targets
from labels.scenes.draws import SCENES_V3
from labels.scenes.splits import make_scene
from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.training.mini import build_mini, build_processor, train_tokenizer
from m3_backbone.training.packing import pack_texts
from scripts.finetuning.batches import (
    Example,
    cached_batches,
    dense_batches,
    finetune_batches,
    image_batches,
    scene_examples,
    take_turns,
)


@pytest.fixture(scope="module")
def parts():
    tokenizer = train_tokenizer([("What colour is it?", "red")])
    model = build_mini(tokenizer)
    prompts = PromptBuilder(tokenizer, model.config.image_token_id)
    return model, build_processor(tokenizer).image_processor, partial(pack_texts, prompts)


def test_a_scene_comes_with_questions_descriptions_and_what_its_patches_show():
    example = scene_examples(turns=4, seed=3, dense=True, extra=ExtraTurns(described=2))(5)
    assert example.image.size == (192, 192)
    assert 3 <= len(example.turns) <= 4 + 2
    expected = dense_targets(make_scene("train", 5, 3))
    assert all(np.array_equal(example.dense[name], expected[name]) for name in DENSE_TARGETS)
    assert scene_examples(turns=4, seed=3)(5).dense == {}


def test_scenes_of_the_wide_draw_come_with_targets_of_that_draw():
    example = scene_examples(
        turns=4, seed=3, dense=True, extra=ExtraTurns(described=2), draw=SCENES_V3
    )(5)
    expected = dense_targets(make_scene("train", 5, 3, SCENES_V3))
    assert all(np.array_equal(example.dense[name], expected[name]) for name in DENSE_TARGETS)
    pixels = np.asarray(render_scene("train", 5, 3, SCENES_V3))
    assert np.array_equal(np.asarray(example.image), pixels)
    assert len(example.places) == len(example.turns)


def test_words_are_made_up_in_a_share_of_the_questions_and_nothing_else_changes():
    extra = ExtraTurns(described=2, casual=4)
    plain = scene_examples(turns=20, seed=3, extra=extra)(5).turns
    changed = scene_examples(turns=20, seed=3, extra=extra, unknown_words=0.5)(5).turns
    assert changed[:2] == plain[:2] and [a for _, a in changed] == [a for _, a in plain]
    differ = sum(one != other for one, other in zip(changed, plain, strict=True))
    assert 0.2 < differ / len(plain) < 0.8


def test_an_easy_start_takes_the_emptiest_of_several_scenes():
    easy = scene_examples(turns=20, seed=0, draws=6)
    sizes = [len(make_scene("train", index, 0).items) for index in range(12, 18)]
    emptiest = 12 + int(np.argmin(sizes))
    plain = scene_examples(turns=20, seed=0)(emptiest)
    assert np.array_equal(np.asarray(easy(2).image), np.asarray(plain.image))


def test_a_batch_depends_on_its_number_alone(parts):
    _, processor, pack = parts
    draw = finetune_batches(scene_examples(3, 1, dense=True), processor, pack, 2)
    later, again = draw(7), draw(7)
    draw(0)
    assert torch.equal(later.images, again.images)
    assert torch.equal(later.text.ids, again.text.ids)
    assert later.images.shape == (2, 3, 192, 192)
    assert {name: tuple(target.shape) for name, target in later.dense.items()} == {
        name: (2, 576) for name in DENSE_TARGETS
    }


def test_dense_batches_have_a_target_for_every_patch(parts):
    pixels, targets = dense_batches(parts[1], 2, 0)(4)
    assert pixels.shape == (2, 3, 192, 192)
    for name, classes in DENSE_TARGETS.items():
        assert targets[name].shape == (2, 576)
        assert -1 <= int(targets[name].min()) <= int(targets[name].max()) < classes


def test_cached_batches_hold_the_features_of_each_image_once_an_epoch(parts):
    model, processor, pack = parts
    draw = image_batches(scene_examples(2, 0), processor, 2)
    batches = cached_batches(model, draw, pack, 2, seed=0, quiet=True)
    assert batches(0).images.shape == (2, 576, 192)
    rows = [row for step in (0, 1) for row in batches(step).images]
    assert len({row.numpy().tobytes() for row in rows}) == 4
    again = [row.numpy().tobytes() for step in (2, 3) for row in batches(step).images]
    assert set(again) == {row.numpy().tobytes() for row in rows}


def test_cached_images_are_asked_all_their_questions_epoch_by_epoch(parts):
    model, processor, _ = parts
    turns = [(f"{number}?", "yes") for number in range(3)]
    packed = []
    image = Image.new("RGB", (192, 192))
    draw = image_batches(lambda _: Example(image, turns[:2], spare=turns[2:]), processor, 1)
    batches = cached_batches(model, draw, packed.extend, 1, seed=0, quiet=True)
    for step in range(3):
        batches(step)
    assert [[question for question, _ in asked] for asked in packed] == [
        ["0?", "1?"],
        ["2?", "0?"],
        ["1?", "2?"],
    ]


def test_no_question_stands_always_at_the_end_where_there_may_be_no_room():
    for count in (5, 12, 24, 25):
        turns = [(str(number), "yes") for number in range(count)]
        asked = set()
        for epoch in range(60):
            taken, left = take_turns(turns, 12, epoch)
            assert sorted(taken + left) == sorted(turns)
            asked.update(taken[: min(8, count - 1)])
        assert asked == set(turns)


def test_crops_are_not_cached():
    def draw(step):
        return torch.zeros(1, 2, 3, 8, 8), []

    model = SimpleNamespace(device=torch.device("cpu"))
    with pytest.raises(ValueError, match="cannot train on features of whole images: leave out --c"):
        cached_batches(model, draw, None, count=1, seed=0, quiet=True)
