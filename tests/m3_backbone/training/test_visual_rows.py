"""Training batches whose images differ in visual tokens: filled up, they change nothing."""

import pytest
import torch

from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.training.finetune import (
    Batch,
    FinetuneSettings,
    finetune,
    matryoshka_step,
    scale_loss,
)
from m3_backbone.training.losses import join_crops, rows_mask, rows_positions, visual_rows
from m3_backbone.training.packing import pack_texts
from m3_backbone.training.settings import LoopSettings

TURNS = [[("what is red ?", "big cat"), ("where ?", "left")], [("how many dog ?", "w1 w2 w3")]]
TRAINED = FinetuneSettings(1e-3, 1e-3, 1e-3)


@pytest.fixture
def parts(build_next, noise):
    """A model, and a batch of an image of three crops and one of five."""
    backbone = build_next()
    prompts = PromptBuilder(backbone.tokenizer, backbone.model.config.image_token_id)
    pixels = [
        backbone.image_processor(images=[image], return_tensors="pt")["pixel_values"][0]
        for image in noise[1:3]
    ]
    assert [len(crops) for crops in pixels] == [3, 5]
    sizes = tuple(image.size for image in noise[1:3])
    return backbone.model, prompts, pixels, sizes


def project(model, pixels):
    return model.model.multi_modal_projector(
        model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    )


def test_rows_are_those_of_the_pyramids(parts, build_next, noise):
    model, _, pixels, sizes = parts
    with torch.no_grad():
        rows, counts = visual_rows(model, project(model, torch.cat(pixels)), 16, sizes)
    expected = [pyramid[16] for pyramid in build_next().encode(noise[1:3])]
    assert counts == [len(tokens) for tokens in expected]
    assert len(set(counts)) == 2
    for row, tokens in zip(rows, expected, strict=True):
        torch.testing.assert_close(row[: len(tokens)], tokens, atol=1e-4, rtol=1e-4)
        assert not row[len(tokens) :].any()


def test_filling_is_hidden_and_takes_no_position(parts):
    text = pack_texts(parts[1], TURNS)
    front, asked = len(text.before), text.ids.shape[1]
    mask, positions = rows_mask(text, [2, 5]), rows_positions(text, [2, 5])
    assert mask.shape == (2, 1, front + 5 + asked, front + 5 + asked)
    filling = slice(front + 2, front + 5)
    assert not mask[0, 0, :, filling].any()
    assert mask[0, 0, front + 5, : front + 2].all()
    assert mask[1, 0, front + 5, : front + 5].all()
    assert positions[:, front + 5].tolist() == [front + 2, front + 5]


def test_a_filled_batch_has_the_loss_and_the_gradient_of_its_rows(parts):
    model, prompts, pixels, sizes = parts
    text = pack_texts(prompts, TURNS)
    for scale in (1, 16):
        model.zero_grad()
        loss = scale_loss(model, project(model, torch.cat(pixels)), text, scale, sizes)
        loss.backward()
        gradients = {
            name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }
        model.zero_grad()
        alone = [pack_texts(prompts, [turns]) for turns in TURNS]
        total = sum(int((one.labels >= 0).sum()) for one in alone)
        expected = 0.0
        for one, crops, size in zip(alone, pixels, sizes, strict=True):
            share = int((one.labels >= 0).sum()) / total
            part = share * scale_loss(model, project(model, crops), one, scale, [size])
            part.backward()
            expected += part.item()
        assert loss.item() == pytest.approx(expected, abs=1e-5)
        assert gradients["model.image_newline"].any()
        for name, parameter in model.named_parameters():
            if name in gradients:
                torch.testing.assert_close(gradients[name], parameter.grad, atol=2e-4, rtol=1e-3)


def test_finetuning_moves_the_newline_with_the_projector(parts, tmp_path):
    model, prompts, pixels, sizes = parts
    batch = Batch(torch.cat(pixels), pack_texts(prompts, TURNS), sizes=sizes)
    before = model.model.image_newline.detach().clone()
    loop = LoopSettings(steps=1, quiet=True)
    frozen = FinetuneSettings(0, 0, 1e-3, scales_per_step=1)
    finetune(model, lambda step: batch, (16,), frozen, loop, tmp_path / "frozen.pt")
    assert torch.equal(model.model.image_newline, before)
    finetune(model, lambda step: batch, (16,), TRAINED, loop, tmp_path / "moved.pt")
    assert not torch.equal(model.model.image_newline, before)


def test_a_step_takes_what_the_image_processor_gives(parts, build_next, noise):
    model, prompts, pixels, sizes = parts
    text = pack_texts(prompts, TURNS)
    processor = build_next().image_processor
    filled = processor(images=noise[1:3], return_tensors="pt")["pixel_values"]
    assert filled.shape[:2] == (2, 5)
    assert torch.equal(join_crops(model, filled, sizes), torch.cat(pixels))
    losses = [
        matryoshka_step(model, Batch(images, text, sizes=sizes), (16,), TRAINED)[16]
        for images in (filled, torch.cat(pixels))
    ]
    assert losses[0] == losses[1]


def test_crops_without_their_sizes_are_refused(parts):
    model, prompts, pixels, sizes = parts
    batch = Batch(torch.cat(pixels), pack_texts(prompts, TURNS), sizes=sizes[:1])
    with pytest.raises(ValueError, match="expected 3 crops of 1 images, got 8: give the batch"):
        matryoshka_step(model, batch, (1,), TRAINED)
