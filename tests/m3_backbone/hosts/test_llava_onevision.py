"""LLaVA-OneVision: crops pooled one by one, merged as the stock model does, from a tiny model."""

from math import sqrt

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, interpolate
from transformers import (
    AutoTokenizer,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    Qwen2Config,
    SiglipVisionConfig,
)
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)

from m3_backbone.backbone import M3Backbone
from m3_backbone.hosts.config import grid_side, trained_scales
from m3_backbone.inference.prefill import prefill_padded
from m3_backbone.inference.sampling import Sampling

IMAGE = 3
SIDE = 56  # pixels of a crop: nine patches of six, and two pixels that nobody sees
PINPOINTS = [[SIDE * rows, SIDE * columns] for rows in range(1, 5) for columns in range(1, 5)]
LADDER = (1, 9, 81)
QUESTIONS = ["what is the colour of the big red cat ?", "red ?", "how many dog are there ?"]
STEPS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_folder):
    folder = tmp_path_factory.mktemp("tiny-onevision")
    torch.manual_seed(0)
    vision = SiglipVisionConfig(
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=6,
        vision_use_head=False,
    )
    text = Qwen2Config(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=128,
        max_position_embeddings=2000,
        initializer_range=0.3,
    )
    config = LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE,
        video_token_index=4,
        image_grid_pinpoints=PINPOINTS,
    )
    config.initializer_range = 0.3
    model = LlavaOnevisionForConditionalGeneration(config)
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = 0
    model.save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    processor = LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=PINPOINTS)
    processor.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def host(folder):
    return M3Backbone.from_pretrained(folder)


@pytest.fixture(scope="module")
def pictures():
    """One of four by four tiles, which is shrunk, and two with padding to be cut off."""
    rng = np.random.default_rng(0)
    sizes = [(224, 224), (130, 50), (60, 100)]
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


@pytest.fixture(scope="module")
def pyramids(host, pictures):
    return host.encode(pictures)


def full_features(host, picture):
    inputs = host.image_processor(images=[picture], return_tensors="pt")
    with torch.no_grad():
        [tokens] = host.model.get_image_features(
            inputs["pixel_values"], image_sizes=inputs["image_sizes"]
        ).pooler_output
    return inputs, tokens


def crop_features(host, picture):
    """Tokens of each crop: as images of one question they are not merged, but end in a newline."""
    pixels = host.image_processor(images=[picture], return_tensors="pt")["pixel_values"][0]
    sizes = torch.tensor([[SIDE, SIDE]] * len(pixels))
    with torch.no_grad():
        merged = host.model.get_image_features(
            pixels, image_sizes=sizes, batch_num_images=torch.tensor([len(pixels)])
        ).pooler_output
    return torch.stack([tokens[:-1] for tokens in merged])


def test_the_ladder_divides_the_grid_by_three(host, pyramids):
    assert host.grid_side == 9
    assert host.scales == LADDER
    assert host.coarse_tokens(pyramids).shape == (3, 1 + 9, 32)


def test_the_real_grid_is_27_a_side():
    config = LlavaOnevisionConfig()
    assert grid_side(config) == 384 // 14 == 27
    assert trained_scales(config) == (1, 9, 81, 729)


def test_full_tokens_are_those_of_the_stock_model(host, pictures, pyramids):
    for picture, pyramid in zip(pictures, pyramids, strict=True):
        expected = full_features(host, picture)[1]
        torch.testing.assert_close(pyramid[81], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("row", [0, 1])
def test_the_full_scale_answers_as_the_stock_model(host, pictures, pyramids, row):
    inputs, tokens = full_features(host, pictures[row])
    prompt = host._engine.prompts.tokenize(QUESTIONS[0])
    ids = [prompt.with_image(IMAGE, len(tokens))]
    with torch.no_grad():
        actual = prefill_padded(host.model, host._host, ids, [pyramids[row][81]], 0).logits[0, -1]
        stock = {
            "input_ids": torch.tensor(ids),
            "attention_mask": torch.ones(1, len(ids[0]), dtype=torch.long),
            "pixel_values": inputs["pixel_values"],
            "image_sizes": inputs["image_sizes"],
        }
        expected = host.model(**stock).logits[0, -1]
        generated = host.model.generate(**stock, max_new_tokens=STEPS, do_sample=False)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
    [answer] = host.generate([pyramids[row]], QUESTIONS[:1], 81, max_new_tokens=STEPS)
    assert answer.token_ids == tuple(generated[0, len(ids[0]) :].tolist())


@pytest.mark.parametrize("scale", LADDER[:2])
def test_a_coarse_scale_is_a_plain_merge_of_pooled_crops(host, pictures, pyramids, scale):
    crops = crop_features(host, pictures[0])
    side = int(sqrt(scale))
    grid = crops.reshape(-1, 9, 9, 32).permute(0, 3, 1, 2)
    pooled = avg_pool2d(grid, 9 // side)  # [17, 32, side, side]
    stitched = pooled[1:].reshape(4, 4, 32, side, side).permute(2, 0, 3, 1, 4)
    stitched = stitched.reshape(32, 4 * side, 4 * side)
    # 16 tiles where 9 are allowed: the sides shrink by 4 / 3.
    shrunk = interpolate(stitched[None], size=(3 * side, 3 * side), mode="bilinear")[0]
    newline = host.model.model.image_newline.detach()
    ended = torch.cat([shrunk, newline[:, None, None].expand(-1, 3 * side, 1)], dim=2)
    expected = torch.cat([pooled[0].flatten(1).T, ended.flatten(1).T])
    torch.testing.assert_close(pyramids[0][scale], expected, atol=1e-5, rtol=0)

    prompt = host._engine.prompts.tokenize(QUESTIONS[1])
    table = host.model.get_input_embeddings()
    with torch.no_grad():
        parts = [table(torch.tensor([ids])) for ids in (prompt.before, prompt.after)]
        embeds = torch.cat([parts[0], expected[None], parts[1]], dim=1)
        logits = host.model(inputs_embeds=embeds).logits[0, -1]
        ids = [prompt.with_image(IMAGE, len(expected))]
        actual = prefill_padded(host.model, host._host, ids, [pyramids[0][scale]], 0).logits[0, -1]
    torch.testing.assert_close(actual, logits, atol=1e-5, rtol=0)


def test_mixed_batches_say_what_single_rows_say(host, pyramids):
    scales = [81, 1, 9, 1, 9]
    rows = [1, 0, 2, 1, 0]
    asked = [QUESTIONS[i % 3] for i in range(5)]
    together = host.generate([pyramids[i] for i in rows], asked, scales, max_new_tokens=STEPS)
    for i, answer in enumerate(together):
        [alone] = host.generate([pyramids[rows[i]]], [asked[i]], scales[i], max_new_tokens=STEPS)
        assert answer.token_ids == alone.token_ids
        assert answer.visual_tokens == len(pyramids[rows[i]][scales[i]])
    assert len({answer.token_ids for answer in together}) > 1


def test_many_questions_an_image_get_the_answers_of_generate(host, pyramids):
    [grouped] = host.answer_images(pyramids[1:2], [QUESTIONS], 9, sampling=Sampling(STEPS))
    flat = host.generate(pyramids[1:2] * 3, QUESTIONS, 9, max_new_tokens=STEPS)
    assert [answer.token_ids for answer in grouped] == [answer.token_ids for answer in flat]


def test_an_illegal_scale_names_the_legal_ones(host, pyramids):
    with pytest.raises(ValueError, match="illegal scale 36: choose one of 1, 9, 81"):
        host.generate(pyramids[:1], QUESTIONS[:1], 36)


def test_the_base_crop_alone_can_be_asked_about(host, pictures, pyramids):
    crops = crop_features(host, pictures[0])
    base = {scale: level[:scale] for scale, level in pyramids[0].items()}
    torch.testing.assert_close(base[81], crops[0], atol=1e-5, rtol=0)
    [answer] = host.generate([[base, base]], QUESTIONS[:1], 9, max_new_tokens=STEPS)
    assert answer.visual_tokens == 9 + 9
