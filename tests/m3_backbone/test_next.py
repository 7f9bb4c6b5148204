"""LLaVA-NeXT models, cut into crops: against the official code's numbers, and with a tiny model."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from m3_backbone.answering import AnswerEngine
from m3_backbone.anyres import count_visual_tokens
from m3_backbone.backbone import M3Backbone
from m3_backbone.encoding import evaluating
from m3_backbone.prefill import prefill_padded
from m3_backbone.prompts import TokenizedPrompt
from m3_backbone.scales import TOKEN_SCALES

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
VARIANTS = ("next_spatial", "next_unpad")
IMAGE_ID = 299  # the last row of the toy vocabulary: no prompt and no answer holds it
QUESTIONS = ["what is the colour ?", "how many red cat are there on the left ?"]

KEYS = (
    (r"^model\.mm_projector\.0", "model.multi_modal_projector.linear_1"),
    (r"^model\.mm_projector\.2", "model.multi_modal_projector.linear_2"),
    (r"^model\.vision_tower\.vision_tower\.vision_model\.", "model.vision_tower."),
    (r"^model\.(embed_tokens|layers|norm)\.", r"model.language_model.\1."),
)


class Golden:
    """One variant: the stock model with the official weights, inputs and expected outputs."""

    def __init__(self, variant, tokenizer):
        folder = GOLDEN / variant
        self.official = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        vision = json.loads((folder / "vision_config.json").read_text(encoding="utf-8"))
        self.inputs = np.load(folder / "inputs.npz")
        self.outputs = np.load(folder / "outputs.npz")
        self.model = build_model(self.official, vision, load_file(folder / "model.safetensors"))
        grids = self.model.config.image_grid_pinpoints
        self.backbone = M3Backbone(self.model, tokenizer, build_processor(336, grids))
        self.images = [Image.fromarray(self.inputs[f"image_{i}"]) for i in (0, 1)]
        self.pyramids = self.backbone.encode(self.images)

        self.prompts = [self.split(self.inputs[f"prompt_ids_{i}"].tolist()) for i in (0, 1)]

    def split(self, ids):
        place = ids.index(-200)
        return TokenizedPrompt(tuple(ids[:place]), tuple(ids[place + 1 :]))

    def row(self, i):
        return self.inputs["input_ids"][i][self.inputs["attention_mask"][i]].tolist()


def build_model(official, vision, weights):
    text = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    text += ("vocab_size", "rms_norm_eps", "max_position_embeddings", "num_key_value_heads")
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**{k: v for k, v in vision.items() if k != "model_type"}),
        text_config=LlamaConfig(**{key: official[key] for key in text}),
        image_token_id=IMAGE_ID,
        # The official files say width first.
        image_grid_pinpoints=[
            [height, width] for width, height in official["image_grid_pinpoints"]
        ],
        mm_patch_merge_type=official["mm_patch_merge_type"],
    )
    model = LlavaNextForConditionalGeneration(config).eval()
    renamed = {rename(key): tensor for key, tensor in weights.items()}
    renamed.setdefault("model.image_newline", torch.zeros(config.text_config.hidden_size))
    model.load_state_dict(renamed, strict=True)
    return model


def rename(key):
    for pattern, name in KEYS:
        key = re.sub(pattern, name, key)
    return key


def build_processor(side, grids):
    size = {"height": side, "width": side}
    return LlavaNextImageProcessorPil(
        size={"shortest_edge": side}, crop_size=size, image_grid_pinpoints=grids
    )


@pytest.fixture(scope="module", params=VARIANTS)
def golden(request):
    if not (GOLDEN / request.param).is_dir():
        pytest.skip("the official numbers are not beside this checkout")
    # Prompts come as ids here; the tokenizer only has to know the image's.
    return Golden(request.param, FakeTokenizer())


class FakeTokenizer:
    chat_template = None
    eos_token_id = None

    def convert_ids_to_tokens(self, token_id):
        return f"<{token_id}>"

    def decode(self, ids, skip_special_tokens):
        return " ".join(map(str, ids))


def largest_difference(found, expected):
    return float(np.abs(found.detach().numpy() - expected).max())


def test_crops_are_the_official_pixels(golden):
    for i, image in enumerate(golden.images):
        found = golden.backbone.image_processor(images=[image], return_tensors="np")
        assert np.array_equal(found["pixel_values"][0], golden.inputs[f"pixel_values_{i}"])


@pytest.mark.parametrize("scale", TOKEN_SCALES)
def test_visual_tokens_are_the_official_ones(golden, scale):
    for i, pyramid in enumerate(golden.pyramids):
        expected = golden.outputs[f"merged_{scale}_{i}"]
        assert pyramid[scale].shape == expected.shape
        assert len(expected) == golden.outputs[f"n_visual_{scale}"][i]
        assert largest_difference(pyramid[scale], expected) < 3e-5


@pytest.mark.parametrize("scale", TOKEN_SCALES)
def test_prompts_give_the_official_logits(golden, scale):
    features = [pyramid[scale] for pyramid in golden.pyramids]
    prompts = [
        prompt.with_image(IMAGE_ID, len(tokens))
        for prompt, tokens in zip(golden.prompts, features, strict=True)
    ]
    with evaluating(golden.model):
        # Two rows with different numbers of visual tokens, padded.
        logits = prefill_padded(golden.model, prompts, features, 0).logits[:, 0]
    assert largest_difference(logits, golden.outputs[f"prompt_logits_{scale}"]) < 3e-5


@pytest.mark.parametrize("scale", TOKEN_SCALES)
def test_answers_are_the_official_ones(golden, scale):
    engine = AnswerEngine(golden.model, FakeTokenizer())
    features = [pyramid[scale] for pyramid in golden.pyramids]
    expected = golden.outputs[f"gen_{scale}"]
    padded = engine.answer_rows(golden.prompts, features, scale, expected.shape[1])
    for i, answer in enumerate(padded):
        [[packed, again]] = engine.answer_groups(
            [[golden.prompts[i]] * 2], features[i : i + 1], scale, expected.shape[1]
        )
        assert answer.token_ids == packed.token_ids == again.token_ids == tuple(expected[i])
        assert (
            answer.visual_tokens == packed.visual_tokens == golden.outputs[f"n_visual_{scale}"][i]
        )
        assert answer.prompt_tokens == golden.outputs[f"prompt_len_{scale}"][i]


@pytest.mark.parametrize("scale", TOKEN_SCALES)
def test_conversations_give_the_official_logits_and_loss(golden, scale):
    found, targets = [], []
    for row in (0, 1):
        ids, tokens = golden.row(row), golden.pyramids[row][scale]
        place = ids.index(-200)
        ids[place : place + 1] = [IMAGE_ID] * len(tokens)
        assert len(ids) == golden.outputs[f"seq_len_{scale}"][row]
        encoded = {"image": BaseModelOutputWithPooling(pooler_output=[tokens])}
        with evaluating(golden.model):
            out = golden.model(input_ids=torch.tensor([ids]), mm_encoder_outputs=encoded)
        mine = golden.outputs[f"answer_row_{scale}"] == row
        found.append(out.logits[0, golden.outputs[f"answer_pos_{scale}"][mine]])
        targets.append(torch.tensor(golden.outputs[f"answer_label_{scale}"][mine]))
        expected = golden.outputs[f"answer_logits_{scale}"][mine]
        assert largest_difference(found[-1], expected) < 3e-5
    loss = torch.nn.functional.cross_entropy(torch.cat(found), torch.cat(targets))
    assert float(loss) == pytest.approx(float(golden.outputs[f"loss_{scale}"]), abs=1e-5)


def test_the_full_grid_gives_what_the_stock_model_gives(golden):
    if golden.backbone.layout.merge != "spatial_unpad":
        pytest.skip("the stock model knows spatial_unpad alone")
    for i, image in enumerate(golden.images):
        inputs = golden.backbone.image_processor(images=[image], return_tensors="pt")
        with evaluating(golden.model):
            stock = golden.model.get_image_features(**inputs, return_dict=True).pooler_output[0]
        assert largest_difference(golden.pyramids[i][576], stock.numpy()) < 3e-5
        ids = torch.tensor([golden.prompts[i].with_image(IMAGE_ID, len(stock))])
        with evaluating(golden.model):
            expected = golden.model(input_ids=ids, **inputs).logits[0, -1].numpy()
            state = prefill_padded(golden.model, ids.tolist(), [golden.pyramids[i][576]], 0)
        assert largest_difference(state.logits[0, 0], expected) < 3e-5


GRIDS = [[64, 32], [32, 64], [64, 64]]  # height first
SCALES = (1, 4, 16, 64)


@pytest.fixture(scope="module")
def noise():
    """Images of 3, 3, 5 and 3 crops; at scale 1 the last one's tiles are all padding."""
    rng = np.random.default_rng(0)
    sizes = [(60, 30), (30, 50), (64, 64), (64, 8)]
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


@pytest.fixture
def build_next(build_model, tokenizer):
    """A tiny LLaVA-NeXT of 8x8 tokens a crop, of crops of 32x32 pixels."""

    def build(merge="spatial_unpad", limit=4096, processor=None, pooling="average"):
        config = build_model().config
        config.vision_config.image_size = 32
        config.text_config.max_position_embeddings = limit
        torch.manual_seed(0)
        model = LlavaNextForConditionalGeneration(
            LlavaNextConfig(
                vision_config=config.vision_config,
                text_config=config.text_config,
                image_token_id=config.image_token_id,
                image_grid_pinpoints=GRIDS,
                mm_patch_merge_type=merge,
                initializer_range=0.3,
            )
        )
        processor = processor or build_processor(32, GRIDS)
        return M3Backbone(model.eval(), tokenizer, processor, pooling=pooling)

    return build


@pytest.mark.parametrize("merge", ["flat", "spatial", "spatial_unpad"])
def test_answers_tell_the_tokens_that_were_really_read(build_next, noise, merge):
    backbone = build_next(merge)
    assert backbone.scales == SCALES
    pyramids = backbone.encode(noise)
    for scale in SCALES:
        counts = [count_visual_tokens(image.size, scale, backbone.layout) for image in noise]
        answers = backbone.generate(pyramids, ["red cat ?"] * 4, scale, max_new_tokens=1)
        assert [answer.visual_tokens for answer in answers] == counts
        text = answers[0].prompt_tokens - counts[0]
        assert [answer.prompt_tokens for answer in answers] == [text + n for n in counts]
        assert {answer.scale for answer in answers} == {scale}


@pytest.mark.parametrize("scale", SCALES)
def test_batches_of_images_that_differ_in_tokens_change_no_answer(build_next, noise, scale):
    backbone = build_next()
    pyramids = backbone.encode(noise)
    grouped = backbone.answer_images(
        [*pyramids, pyramids[0]], [*[QUESTIONS] * 4, []], scale, max_new_tokens=4
    )
    assert grouped[4] == []
    for k, question in enumerate(QUESTIONS):
        together = backbone.generate(pyramids, [question] * 4, scale, max_new_tokens=4)
        for i, found in enumerate(together):
            [alone] = backbone.generate([pyramids[i]], [question], scale, max_new_tokens=4)
            assert found.token_ids == alone.token_ids == grouped[i][k].token_ids
            assert found.visual_tokens == grouped[i][k].visual_tokens
            assert found.mean_logprob == pytest.approx(alone.mean_logprob, abs=1e-4)


def test_equal_images_are_encoded_once_and_crops_fill_the_batches(build_next, noise):
    backbone = build_next()
    seen = []
    backbone.model.model.vision_tower.register_forward_hook(
        lambda module, args, output: seen.append(len(args[0]))
    )
    first, _, third = backbone.encode([noise[0], noise[2], noise[0].copy()], batch_size=2)
    assert first is third
    # Three and five crops, two at a time.
    assert seen == [2, 2, 2, 2]
    [alone] = backbone.encode([noise[0]])
    torch.testing.assert_close(first, alone, atol=1e-4, rtol=1e-5)
    assert not first[64].requires_grad


def test_the_router_sees_the_base_crop(build_next, noise):
    backbone = build_next()
    pyramids = backbone.encode(noise)
    coarse = backbone.coarse_tokens(pyramids)
    assert coarse.shape == (4, 1 + 4, backbone.hidden_size)
    # The base crop's full tokens come first: rows of four of the two top rows make a quarter.
    full = pyramids[0][64][:64].reshape(8, 8, -1)
    np.testing.assert_allclose(coarse[0, 0], full.mean((0, 1)), atol=1e-4)
    np.testing.assert_allclose(coarse[0, 1], full[:4, :4].mean((0, 1)), atol=1e-4)


def test_costs_count_crops_and_real_tokens(build_next, noise):
    backbone = build_next()
    crops = [backbone.image_flops(image) / backbone.vision_flops for image in noise]
    assert crops == [3, 3, 5, 3]
    pyramids = backbone.encode(noise)
    flops = [
        backbone.answer_flops(answer)
        for answer in backbone.generate(pyramids, ["red ?"] * 4, 64, max_new_tokens=1)
    ]
    counts = [len(pyramid[64]) for pyramid in pyramids]
    assert np.argsort(flops).tolist() == np.argsort(counts).tolist()


def test_several_images_follow_one_another(build_next, noise):
    backbone = build_next()
    a, b, c, _ = backbone.encode(noise)
    for scale in SCALES:
        both, one = backbone.generate([[a, b], [c]], [QUESTIONS[0]] * 2, scale, max_new_tokens=3)
        assert both.visual_tokens == len(a[scale]) + len(b[scale])
        joined = {scale: torch.cat([a[scale], b[scale]])}
        alone = backbone.generate([joined, c], [QUESTIONS[0]] * 2, scale, max_new_tokens=3)
        assert [both.token_ids, one.token_ids] == [answer.token_ids for answer in alone]
        [[grouped]] = backbone.answer_images([[a, b]], [QUESTIONS[:1]], scale, max_new_tokens=3)
        assert grouped.token_ids == both.token_ids
    with pytest.raises(ValueError, match="a question needs at least one image"):
        backbone.generate([[]], ["red ?"], 1)


def test_room_is_counted_in_real_tokens(build_next, noise):
    backbone = build_next(limit=200)
    pyramids = backbone.encode(noise)
    with pytest.raises(ValueError, match="the question needs .* tokens .* the model has 200"):
        backbone.generate([pyramids[2]], ["red ?"], 64)
    # The same scale of a flat image fits.
    assert len(pyramids[3][64]) < 180
    backbone.generate([pyramids[3]], ["red ?"], 64, max_new_tokens=1)


def test_pooling_by_sampling_reaches_the_pyramid(build_next, noise):
    averaged, sampled = build_next(), build_next(pooling="spatial")
    [pyramid] = sampled.encode(noise[:1])
    full = pyramid[64][:64].reshape(8, 8, -1)
    assert torch.equal(pyramid[4][:4].reshape(2, 2, -1), full[::4, ::4])
    assert torch.equal(pyramid[64], averaged.encode(noise[:1])[0][64])
    # Tables of the one are no tables of the other.
    assert sampled.fingerprint != averaged.fingerprint
    assert len(sampled.fingerprint) == 16
    with pytest.raises(ValueError, match="unknown pooling 'middle'"):
        build_next(pooling="middle")


def test_a_processor_that_cuts_otherwise_is_refused(build_next, noise):
    swapped = build_next(processor=build_processor(32, [GRIDS[1], GRIDS[0], GRIDS[2]]))
    with pytest.raises(ValueError, match="image_grid_pinpoints must be the same in both"):
        swapped.encode(noise[:1])
    larger = build_next(processor=build_processor(64, GRIDS))
    with pytest.raises(ValueError, match=r"the image processor gave crops \[2, 3, 64, 64\], exp"):
        larger.encode(noise[:1])


def test_an_unknown_merge_type_is_refused(build_next):
    with pytest.raises(ValueError, match="unknown merge type 'ragged'"):
        build_next("ragged")
