"""Training a tiny stock LLaVA on conversations: what moves, and that no saving changes the step."""

import copy
import json
import sys
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForImageTextToText

from m3_backbone.inference.prompts import IGNORED, PromptBuilder
from m3_backbone.training.conversations import pack_conversations
from m3_backbone.training.finetune import (
    Batch,
    accumulated_step,
    finetune,
    matryoshka_step,
    tower_features,
)
from m3_backbone.training.loop import LOG
from m3_backbone.training.losses import scale_loss
from m3_backbone.training.settings import FinetuneSettings, LoopSettings
from m3_backbone.training.trainable import (
    add_adapter,
    choose_parts,
    set_checkpointing,
    write_adapter,
)

SCALES = (1, 9, 144)
TALKS = [
    [(1, "what is the cat?", "red"), (0, "how many?", "big dog")],
    [(0, "how many are there?", "a a a")],
    [(1, "colour?", "big red")],
    [(1, "what?", "left"), (0, "on?", "there")],
]
TRAINED = FinetuneSettings(1e-3, 1e-3, 1e-3, scales_per_step=2)


@pytest.fixture
def model(build_model):
    return build_model().train()


@pytest.fixture
def draw(tokenizer):
    prompts = PromptBuilder(tokenizer, 3)
    pixels = torch.randn(4, 3, 96, 96, generator=torch.Generator().manual_seed(0))

    def batch(*places):
        chosen = [(TALKS[i], [(96, 96)] * TALKS[i][0][0]) for i in places]
        text = pack_conversations(prompts, chosen, lambda size: 576, 700)
        with_image = [i for i in places if TALKS[i][0][0]] or [1]
        return Batch(pixels[with_image], text)

    return batch


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, gradient in actual.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-4, msg=name)


def take_step(model, batches, settings=TRAINED):
    model = copy.deepcopy(model)
    choose_parts(model, settings)
    set_checkpointing(model, settings)
    losses = accumulated_step(model, batches, SCALES, settings)
    return losses, gradients(model)


def test_one_encoding_gives_the_gradient_of_one_for_every_scale(model, draw):
    batch = draw(0, 1, 2)
    losses, shared = take_step(model, [batch])
    for scale in SCALES:
        tokens = model.model.multi_modal_projector(tower_features(model, batch.images, True))
        loss = scale_loss(model, tokens, batch.text, scale)
        assert loss.item() == pytest.approx(losses[scale], abs=1e-5)
        torch.autograd.backward(loss / len(SCALES))
    assert_same(shared, gradients(model))


def test_accumulated_batches_are_one_large_batch(model, draw):
    whole, expected = take_step(model, [draw(0, 1, 2, 3)])
    # One of them is text alone, and they differ in answer tokens.
    apart, actual = take_step(model, [draw(0), draw(1), draw(2, 3)], replace(TRAINED, accumulate=3))
    assert apart == pytest.approx(whole, abs=1e-5)
    assert_same(actual, expected)


def test_checkpointing_changes_no_gradient(model, draw):
    _, expected = take_step(model, [draw(0, 1)])
    _, actual = take_step(model, [draw(0, 1)], replace(TRAINED, checkpointing=True))
    assert_same(actual, expected)


def test_text_alone_gives_the_tower_zeros_and_a_frozen_rest_nothing(model, draw):
    _, actual = take_step(model, [draw(1)])
    tower = {name: one for name, one in actual.items() if "vision_tower" in name}
    assert tower
    assert not any(one.any() for one in tower.values())
    _, alone = take_step(model, [draw(1)], FinetuneSettings(0, 1e-3, 0))
    assert len(alone) == 4
    assert not any(one.any() for one in alone.values())


def run(model, batches, path, settings=TRAINED, steps=1):
    loop = LoopSettings(steps=steps, quiet=True, save_seconds=0.0)
    return finetune(model, batches, SCALES, settings, loop, path / "run.pt")


@pytest.mark.parametrize("tower_rate", [0.0, 1e-3])
def test_the_tower_moves_exactly_when_it_is_trained(model, draw, tmp_path, tower_rate):
    before = copy.deepcopy(model.model.vision_tower.state_dict())
    run(model, lambda _: draw(0), tmp_path, replace(TRAINED, tower_rate=tower_rate))
    after = model.model.vision_tower.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("mlp.fc1.weight" in name for name in moved) is (tower_rate > 0)
    assert bool(moved) is (tower_rate > 0)


def test_a_lora_that_is_wider_than_the_model_is_refused(model):
    with pytest.raises(ValueError, match=r"rank 10000000 is no smaller .* lower --lora-rank"):
        add_adapter(model, 10_000_000, 4, seed=0)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # by peft's opening
def test_a_lora_trains_alone_and_merges_into_the_same_answers(model, draw, tmp_path):
    plain = copy.deepcopy(model).eval()
    settings = replace(TRAINED, tower_rate=0.0, lora_rank=2, lora_alpha=4, language_rate=1e-1)
    adapted = add_adapter(model, 2, 4, seed=0)
    run(model, lambda _: draw(0, 2), tmp_path, settings, steps=3)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert {name.split(".")[1] for name in trained} == {"language_model", "multi_modal_projector"}
    assert all("lora_" in name for name in trained if "language_model" in name)
    write_adapter(adapted, tmp_path / "out")
    batch = draw(0, 1, 2)
    with torch.no_grad():
        before = read(model.eval(), batch)
        merged = adapted.merge_and_unload()
        torch.testing.assert_close(read(merged, batch), before, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(read(plain, batch), before, atol=1e-2)
    merged.save_pretrained(tmp_path / "merged")
    opened = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged")
    with torch.no_grad():
        torch.testing.assert_close(read(opened, batch), before, atol=1e-4, rtol=1e-4)
    check_adapter(plain, tmp_path / "out", batch, before)


def check_adapter(plain, folder, batch, expected):
    """The base model with the adapter folder and the other weights answers as the trained one."""
    from peft import PeftModel
    from safetensors.torch import load_file

    plain.load_state_dict(load_file(folder / "trained.safetensors"), strict=False)
    PeftModel.from_pretrained(plain, str(folder / "adapter")).eval()
    with torch.no_grad():
        torch.testing.assert_close(read(plain, batch), expected, atol=1e-4, rtol=1e-4)


def read(model, batch):
    """Logits of every place of the first conversation, all scales behind one another."""
    tokens = model.model.multi_modal_projector(tower_features(model, batch.images, False))
    return torch.stack([scale_loss(model, tokens, batch.text, scale) for scale in SCALES])


def test_a_killed_run_with_accumulation_and_lora_ends_where_an_undisturbed_one_does(
    build_model, draw, tmp_path
):
    settings = replace(TRAINED, accumulate=2, lora_rank=2, lora_alpha=4, scales_per_step=1)

    def fresh():
        model = build_model()
        add_adapter(model, 2, 4, seed=0)
        return model

    def batches(number):
        return draw(number % 4)

    def stop(number):
        if number == 5:
            raise KeyboardInterrupt
        return draw(number % 4)

    whole, broken, again = fresh(), fresh(), fresh()
    done = run(whole, batches, tmp_path / "whole", settings, steps=4)
    with pytest.raises(KeyboardInterrupt):
        run(broken, stop, tmp_path / "broken", settings, steps=4)
    saved = torch.load(tmp_path / "broken" / "run.pt", weights_only=True)["modules"]
    assert not any("base_layer" in name for name in saved)
    log = tmp_path / "broken" / LOG
    log.write_text(log.read_text() + '{"a line of a step that was cut sh')
    finished = run(again, batches, tmp_path / "broken", settings, steps=4)
    assert finished.dropped == done.dropped == 0
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    expected = (tmp_path / "whole" / LOG).read_text().splitlines()
    assert len(lines) == 4
    for actual, line in zip(lines, expected, strict=True):
        wanted = json.loads(line)
        assert actual["losses"] == pytest.approx(wanted["losses"], abs=1e-6)
        assert actual["answer_tokens"] == wanted["answer_tokens"]


def test_what_is_dropped_is_counted_over_a_kill(model, draw, tmp_path):
    full = draw(0)
    short = replace(full, text=replace(full.text, dropped=3))
    loop = LoopSettings(steps=2, quiet=True, save_seconds=0.0)

    def stop(number):
        if number == 1:
            raise KeyboardInterrupt
        return short

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        finetune(model, stop, SCALES, TRAINED, loop, path)
    assert finetune(model, lambda _: short, SCALES, TRAINED, loop, path).dropped == 6


def test_a_run_that_is_taken_up_behind_its_last_step_tells_its_losses(model, draw, tmp_path):
    done = run(model, lambda _: draw(0), tmp_path, steps=4)
    again = run(model, lambda _: draw(0), tmp_path, steps=4)
    assert done.losses.keys() == set(SCALES)
    assert again == done


def test_a_torn_log_stops_no_run_and_keeps_a_line_for_each_step(model, draw, tmp_path):
    def stop(number):
        if number == 3:
            raise KeyboardInterrupt
        return replace(draw(0), text=replace(draw(0).text, dropped=1))

    with pytest.raises(KeyboardInterrupt):
        run(model, stop, tmp_path, steps=4)
    log = tmp_path / LOG
    first, *_ = log.read_text().splitlines(keepends=True)
    # As a loss of power may leave it: the second line torn, the third never written.
    log.write_text(first + first[:20])
    assert run(model, lambda _: draw(0), tmp_path, steps=4).dropped == 1
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [bool(line["losses"]) for line in lines] == [True, False, False, True]
    assert lines[0] == json.loads(first)
    assert [line["dropped"] for line in lines] == [1, 1, 1, 1]


def test_a_run_without_an_answer_token_is_an_error(model, draw, tmp_path):
    full = draw(0)
    (ids, labels), *_ = full.text.rows
    cut = replace(full, text=replace(full.text, rows=((ids, [IGNORED] * len(labels)),), dropped=1))
    with pytest.raises(ValueError, match="nothing was learnt in 2 steps"):
        run(model, lambda _: cut, tmp_path, steps=2)
    # One answer is enough, also if a run that was killed saw it.
    run(model, lambda number: cut if number else full, tmp_path / "other", steps=2)


def test_a_missing_peft_is_one_line(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ValueError, match="LoRA needs peft: pip install peft"):
        add_adapter(model, 2, 4, seed=0)


def test_a_step_of_one_batch_leaves_its_gradient_unscaled(model, draw):
    _, expected = take_step(model, [draw(0)])
    matryoshka_step(model, draw(0), SCALES, TRAINED)
    assert_same(gradients(model), expected)
