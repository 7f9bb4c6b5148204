"""Matryoshka training: packing and shared encoding change the cost, not the gradient."""

import copy
import json

import numpy as np
import pytest
import torch
from PIL import Image

from m3_backbone.inference.prompts import IGNORED, PromptBuilder, pack_turns
from m3_backbone.scales import TOKEN_SCALES
from m3_backbone.training.finetune import (
    Batch,
    draw_scales,
    finetune,
    matryoshka_step,
    tower_features,
)
from m3_backbone.training.loop import LOG, TrainingLoop, cosine_factor
from m3_backbone.training.losses import scale_loss
from m3_backbone.training.mini import build_mini, build_processor, place_positions, train_tokenizer
from m3_backbone.training.optimizers import build_optimizers, parameter_groups
from m3_backbone.training.packing import pack_texts, packed_mask, packed_positions
from m3_backbone.training.settings import FinetuneSettings, LoopSettings
from m3_backbone.training.tower import DenseHeads, dense_accuracy, dense_loss, pretrain_tower

TURNS = [
    [("What colour is it?", "red"), ("How many?", "4 2"), ("Is there a star?", "yes")],
    [("What does the tea cost?", "17")],
]


TRAINED = FinetuneSettings(1e-3, 1e-3, 1e-3)


def project_images(model, images, train_tower):
    return model.model.multi_modal_projector(tower_features(model, images, train_tower))


@pytest.fixture(scope="module")
def parts():
    tokenizer = train_tokenizer(turn for turns in TURNS for turn in turns)
    model = build_mini(tokenizer, seed=3)
    return model, build_processor(tokenizer), PromptBuilder(tokenizer, model.config.image_token_id)


@pytest.fixture
def batch(parts):
    _, processor, prompts = parts
    random = np.random.default_rng(0)
    images = [
        Image.fromarray(random.integers(0, 255, (192, 192, 3), dtype=np.uint8)) for _ in range(2)
    ]
    pixels = processor.image_processor(images=images, return_tensors="pt")["pixel_values"]
    return Batch(pixels, pack_texts(prompts, TURNS))


def test_a_turn_is_labelled_on_its_answer_and_end_only(parts):
    prompts = parts[2]
    ids, labels = pack_turns(prompts, [("How many?", "4 2")])[0]
    answer = prompts.tokenizer(" 4 2", add_special_tokens=False)["input_ids"]
    asked = [label for label in labels if label != IGNORED]
    assert asked == [*answer, prompts.tokenizer.eos_token_id]
    assert labels[-len(asked) - 1] == IGNORED
    assert ids[-len(answer) :] == answer


def test_packed_questions_have_the_loss_of_separate_ones(parts, batch):
    model, _, prompts = parts
    with torch.no_grad():
        tokens = project_images(model, batch.images, train_tower=False)
        packed = scale_loss(model, tokens, batch.text, 9)
        total, count = 0.0, 0
        for row, turns in enumerate(TURNS):
            for turn in turns:
                alone = pack_texts(prompts, [[turn]])
                n = int((alone.labels != IGNORED).sum())
                total += n * scale_loss(model, tokens[row : row + 1], alone, 9).item()
                count += n
    assert packed.item() == pytest.approx(total / count, abs=1e-5)


def test_mask_hides_other_questions_and_padding(batch):
    mask = packed_mask(batch.text, 1)
    front = len(batch.text.before) + 1
    first, second = (int((batch.text.blocks[0] == block).sum()) for block in (0, 1))
    assert mask[0, 0, front + first, front + first]
    assert not mask[0, 0, front + first, front : front + first].any()
    assert mask[0, 0, front + first, :front].all()
    assert not mask[0, 0, :front, front:].any()
    positions = packed_positions(batch.text, 1)
    assert positions[0, front] == positions[0, front + first] == front
    assert second > 0


def test_loss_equals_stock_transformers_on_one_question(parts):
    model, processor, prompts = parts
    image = Image.new("RGB", (192, 192), (200, 30, 30))
    pixels = processor.image_processor(images=[image], return_tensors="pt")["pixel_values"]
    question, answer = TURNS[0][0]
    text = pack_texts(prompts, [[(question, answer)]])
    prompt = prompts.tokenize(question).with_image(model.config.image_token_id, 576)
    target = prompts.tokenizer(f" {answer}", add_special_tokens=False)["input_ids"]
    target = [*target, prompts.tokenizer.eos_token_id]
    ids = torch.tensor([prompt + target])
    labels = torch.tensor([[IGNORED] * len(prompt) + target])
    with torch.no_grad():
        stock = model(input_ids=ids, pixel_values=pixels, labels=labels).loss
        ours = scale_loss(model, project_images(model, pixels, False), text, 576)
    assert ours.item() == pytest.approx(stock.item(), abs=1e-5)


def test_shared_encoding_gives_the_gradient_of_encoding_anew_for_every_scale(parts, batch):
    shared, naive = copy.deepcopy(parts[0]), copy.deepcopy(parts[0])
    losses = matryoshka_step(shared, batch, TOKEN_SCALES, TRAINED)
    for scale in TOKEN_SCALES:
        tokens = project_images(naive, batch.images, train_tower=True)
        loss = scale_loss(naive, tokens, batch.text, scale)
        assert loss.item() == pytest.approx(losses[scale], abs=1e-5)
        (loss / len(TOKEN_SCALES)).backward()
    moved = 0
    for one, other in zip(shared.parameters(), naive.parameters(), strict=True):
        assert (one.grad is None) is (other.grad is None)
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=0)
            moved += 1
    assert moved > 40


@pytest.mark.parametrize("tower_rate", [0.0, 1e-3])
def test_tower_moves_exactly_when_it_is_trained(parts, batch, tmp_path, tower_rate):
    model = copy.deepcopy(parts[0])
    before = {k: v.clone() for k, v in model.model.vision_tower.state_dict().items()}
    settings = FinetuneSettings(tower_rate, 1e-3, 1e-3, scales_per_step=2)
    loop = LoopSettings(steps=1, quiet=True)
    finetune(model, lambda step: batch, TOKEN_SCALES, settings, loop, tmp_path / "run.pt")
    after = model.model.vision_tower.state_dict()
    name = "encoder.layers.0.mlp.fc1.weight"
    assert torch.equal(before[name], after[name]) is (tower_rate == 0)
    if tower_rate == 0:
        assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_resumed_run_ends_where_an_undisturbed_one_does(parts, batch, tmp_path):
    settings = FinetuneSettings(1e-3, 1e-3, 1e-3, scales_per_step=1)
    whole, broken = copy.deepcopy(parts[0]), copy.deepcopy(parts[0])
    loop = LoopSettings(steps=4, quiet=True, save_seconds=0.0)
    finetune(whole, lambda step: batch, (1, 9), settings, loop, tmp_path / "whole.pt")

    def stop_at_two(step):
        if step == 2:
            raise KeyboardInterrupt
        return batch

    with pytest.raises(KeyboardInterrupt):
        finetune(broken, stop_at_two, (1, 9), settings, loop, tmp_path / "broken.pt")
    fresh = copy.deepcopy(parts[0])
    finetune(fresh, lambda step: batch, (1, 9), settings, loop, tmp_path / "broken.pt")
    for one, other in zip(whole.parameters(), fresh.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_a_checkpoint_of_other_settings_is_refused(parts, batch, tmp_path):
    model = copy.deepcopy(parts[0])
    settings = FinetuneSettings(0, 1e-3, 1e-3, 1)
    for steps in (1, 2):
        loop = LoopSettings(steps=steps, quiet=True)
        if steps == 1:
            finetune(model, lambda step: batch, (1,), settings, loop, tmp_path / "a.pt")
            continue
        with pytest.raises(ValueError, match="belongs to another run.*steps=2"):
            finetune(model, lambda step: batch, (1,), settings, loop, tmp_path / "a.pt")


def test_a_gradient_that_is_no_number_stops_the_run(tmp_path):
    layer = torch.nn.Linear(2, 1)
    loop = TrainingLoop([(layer, 1e-3)], LoopSettings(steps=1, quiet=True), tmp_path / "x.pt", "x")
    with pytest.raises(ValueError, match="gradient became nan at step 0"):
        for _ in loop.steps("x"):
            (layer(torch.ones(1, 2)) * float("nan")).sum().backward()


def test_a_last_step_after_which_the_weights_are_no_numbers_saves_nothing(tmp_path):
    layer = torch.nn.Linear(2, 1)
    loop = TrainingLoop([(layer, 1e300)], LoopSettings(steps=1, quiet=True), tmp_path / "x.pt", "x")
    with pytest.raises(
        ValueError, match="weights became NaN or infinite by step 1, such as 0.weig"
    ):
        for _ in loop.steps("x"):
            layer(torch.ones(1, 2)).sum().backward()
    assert not any(tmp_path.iterdir())


def test_questions_that_do_not_fit_are_left_out_whole(parts):
    prompts = parts[2]
    first = len(pack_turns(prompts, TURNS[0][:1])[0][0])
    text = pack_texts(prompts, TURNS[:1], max_tokens=first)
    assert text.dropped == 2
    assert text.ids.shape == (1, first)
    with pytest.raises(ValueError, match="no question of an image fits into 3 tokens"):
        pack_texts(prompts, TURNS[:1], max_tokens=3)


def test_scales_are_drawn_evenly_and_reproducibly():
    drawn = [draw_scales(TOKEN_SCALES, 2, seed=0, step=step) for step in range(500)]
    assert drawn[7] == draw_scales(TOKEN_SCALES, 2, seed=0, step=7)
    assert all(len(set(scales)) == 2 for scales in drawn)
    counts = [sum(scale in scales for scales in drawn) for scale in TOKEN_SCALES]
    assert min(counts) > 150  # 200 each on average, standard deviation 11


def test_the_largest_scale_can_be_in_every_step():
    drawn = [draw_scales(TOKEN_SCALES, 2, 0, step, keep_largest=True) for step in range(500)]
    assert {scales[0] for scales in drawn} == {max(TOKEN_SCALES)}
    counts = [sum(scale == scales[1] for scales in drawn) for scale in sorted(TOKEN_SCALES)[:-1]]
    assert sum(counts) == 500
    assert min(counts) > 85  # 125 each on average, standard deviation 10


def test_learning_rate_rises_and_falls():
    factors = [cosine_factor(step, 100, 0.1) for step in range(100)]
    assert factors[4] == pytest.approx(0.5)
    assert max(factors) == factors[9] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[-1] < 0.001


def test_vectors_are_never_decayed():
    hidden, others = parameter_groups([(torch.nn.Linear(2, 3), 0.5)], weight_decay=0.1)
    decays = {group["params"][0].ndim: group["weight_decay"] for group in others}
    assert decays == {2: 0.1, 1: 0.0}
    assert hidden == []


def test_muon_takes_the_matrices_inside_the_layers_and_adamw_the_rest(parts):
    model = parts[0]
    adam, muon = build_optimizers([(model, 1e-3)], 0.1, "muon")
    inside = {id(p) for group in muon.param_groups for p in group["params"]}
    outside = {id(p) for group in adam.param_groups for p in group["params"]}
    named = dict(model.named_parameters())
    assert id(named["model.language_model.layers.0.mlp.up_proj.weight"]) in inside
    assert id(named["lm_head.weight"]) in outside
    assert id(named["model.language_model.embed_tokens.weight"]) in outside
    assert len(inside) == 4 * 6 + 4 * 7
    assert inside.isdisjoint(outside)
    assert len(inside) + len(outside) == len(named)


def test_an_unknown_optimizer_and_nothing_to_train_are_refused():
    layer = torch.nn.Linear(2, 3)
    with pytest.raises(ValueError, match="out of .'adamw', 'muon'., got 'sgd'"):
        build_optimizers([(layer, 1.0)], 0.0, "sgd")
    layer.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        build_optimizers([(layer, 0.0)], 0.0, "adamw")


def test_the_dense_loss_reaches_the_tower_and_not_the_language_model(parts, batch):
    plain, dense = copy.deepcopy(parts[0]), copy.deepcopy(parts[0])
    heads = DenseHeads(plain.config.vision_config.hidden_size, {"row": 24})
    labelled = Batch(batch.images, batch.text, {"row": torch.arange(24).repeat(2, 24)})
    settings = FinetuneSettings(1e-3, 1e-3, 1e-3, dense_weight=0.5)
    matryoshka_step(plain, labelled, (9,), settings)
    matryoshka_step(dense, labelled, (9,), settings, heads=heads)
    name = "encoder.layers.0.mlp.fc1.weight"
    one, other = (m.model.vision_tower.get_parameter(name).grad for m in (plain, dense))
    assert not torch.allclose(one, other)
    torch.testing.assert_close(plain.lm_head.weight.grad, dense.lm_head.weight.grad)
    assert heads.heads["row"].weight.grad.abs().sum() > 0


def test_tower_learns_what_is_on_its_patches(parts, tmp_path):
    tower = copy.deepcopy(parts[0].model.vision_tower)
    place_positions(tower)
    random = torch.Generator().manual_seed(0)

    def draw(step):
        shade = (torch.rand(2, 1, 192, 192, generator=random) > 0.5).float()
        shade = torch.nn.functional.interpolate(shade[:, :, ::8, ::8], scale_factor=8)
        return shade.expand(-1, 3, -1, -1), {"content": shade[:, 0, ::8, ::8].flatten(1).long()}

    loop = LoopSettings(steps=30, quiet=True)
    accuracy = pretrain_tower(tower, {"content": 2}, draw, loop, tmp_path / "t.pt", 1e-3)
    assert accuracy["content"] > 0.95
    lines = [json.loads(line)["losses"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert len(lines) == 30
    assert lines[-1]["content"] < lines[0]["content"] / 2
    # Named half-way up as well.
    assert lines[-1]["early content"] < lines[0]["early content"] / 2
    # Killed behind its last step, the run trains no more and still tells what it came to.
    weights = {name: weight.clone() for name, weight in tower.state_dict().items()}
    again = pretrain_tower(tower, {"content": 2}, draw, loop, tmp_path / "t.pt", 1e-3)
    assert again["content"] > 0.95
    assert all(weight.equal(weights[name]) for name, weight in tower.state_dict().items())


def test_dense_losses_ignore_what_does_not_apply():
    logits = {"row": torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])}
    targets = {"row": torch.tensor([[0, -1]])}
    loss = dense_loss(logits, targets)["row"].item()
    assert loss == pytest.approx(float(np.log(1 + np.exp(-2.0))), abs=1e-6)
    assert dense_accuracy(logits, targets) == {"row": 1.0}
    assert DenseHeads(4, {"row": 2})(torch.zeros(1, 3, 4))["row"].shape == (1, 3, 2)


def test_each_thing_of_an_image_counts_once_in_the_loss_of_copies():
    # One image: thing 1 covers three patches, thing 2 one; the last patch shows nothing.
    content = torch.tensor([[1, 1, 1, 2, 0]])
    copies = torch.tensor([[3, 3, 3, 1, -1]])
    logits = torch.zeros(1, 5, 4)
    logits[0, 3, 1] = 4.0
    loss = dense_loss({"copies": logits}, {"copies": copies, "content": content})["copies"].item()
    unsure, sure = float(np.log(4)), float(np.log(3 + np.exp(4.0)) - 4.0)
    # What occurs once, as most things do, weighs less.
    assert loss == pytest.approx((unsure + 0.3 * sure) / 1.3, abs=1e-6)
    none = {"copies": torch.full_like(copies, -1), "content": content}
    assert dense_loss({"copies": logits}, none)["copies"].item() == 0.0
