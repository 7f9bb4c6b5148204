"""PaliGemma: a prompt that is read both ways, from a tiny model with random weights."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d
from transformers import (
    AutoTokenizer,
    Gemma2Config,
    GemmaConfig,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipVisionConfig,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints.official.export import check_exportable
from m3_backbone.checkpoints.source import CheckpointSource
from m3_backbone.hosts.paligemma import PREFIX_TEMPLATE
from m3_backbone.inference.prefill import can_pack, prefill_padded
from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.inference.sampling import Sampling
from scripts.cli import main
from scripts.finetuning.start import open_start

IMAGE = 3
LADDER = (1, 4, 16, 64, 256)
QUESTIONS = ["what is the colour of the big red cat ?", "red ?", "how many dog are there ?"]
STEPS = 4


def make_model(text_class=GemmaConfig, **changes):
    torch.manual_seed(0)
    vision = SiglipVisionConfig(
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=64,
        patch_size=4,
        vision_use_head=False,
    )
    text = text_class(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        vocab_size=128,
        max_position_embeddings=400,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.3,
        **changes,
    )
    config = PaliGemmaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE,
        projection_dim=32,
        hidden_size=32,
        vocab_size=128,
    )
    config.initializer_range = 0.3
    model = PaliGemmaForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = 2
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_folder):
    folder = tmp_path_factory.mktemp("tiny-paligemma")
    make_model().save_pretrained(folder)
    size = {"height": 64, "width": 64}
    SiglipImageProcessorPil(size=size, image_seq_length=256).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    # As in PaliGemma's own checkpoints: nothing is added to what is tokenized.
    tokenizer.backend_tokenizer.post_processor = None
    tokenizer.chat_template = None
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def host(folder):
    return M3Backbone.from_pretrained(folder)


@pytest.fixture(scope="module")
def pyramids(host, images):
    return host.encode(images)


@pytest.fixture(scope="module")
def stock_inputs(host, folder, images):
    """What the stock processor makes of the second image and the first question."""
    processor = PaliGemmaProcessor(host.image_processor, AutoTokenizer.from_pretrained(folder))
    # Asked for tensors, it would warn about how it makes labels of them.
    inputs = processor(images=[images[1]], text=[f"<image>{QUESTIONS[0]}"])
    del inputs["labels"]
    return {name: torch.tensor(np.array(value)) for name, value in inputs.items()}


def plain_forward(model, features, after):
    """Splice by hand and run without cache: logits behind the prompt and behind each answer id."""
    table = model.get_input_embeddings()
    answer = []
    logits = []
    for _ in range(STEPS):
        ids = torch.tensor([[*after, *answer]])
        embeds = torch.cat([features[None], table(ids)], dim=1)
        types = torch.zeros(embeds.shape[:2], dtype=torch.long)
        if answer:
            types[:, -len(answer) :] = 1
        out = model(inputs_embeds=embeds, token_type_ids=types)
        logits.append(out.logits[0, -1])
        answer.append(int(logits[-1].argmax()))
    return logits, tuple(answer)


def test_the_ladder_halves_a_grid_of_sixteen(host, pyramids):
    assert host.grid_side == 16
    assert host.scales == LADDER
    assert [tuple(pyramids[0][scale].shape) for scale in LADDER] == [(s, 32) for s in LADDER]
    assert host.coarse_tokens(pyramids).shape == (3, 1 + 4, 32)


def test_the_full_scale_is_the_stock_model(host, pyramids, stock_inputs):
    with torch.no_grad():
        expected = host.model(**stock_inputs).logits[0, -1]
        generated = host.model.generate(**stock_inputs, max_new_tokens=STEPS, do_sample=False)
        ids = stock_inputs["input_ids"].tolist()
        actual = prefill_padded(host.model, host._host, ids, [pyramids[1][256]], 0).logits[0, -1]
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
    [answer] = host.generate(pyramids[1:2], QUESTIONS[:1], 256, max_new_tokens=STEPS)
    assert answer.token_ids == tuple(generated[0, len(ids[0]) :].tolist())
    assert answer.prompt_tokens == len(ids[0])


@pytest.mark.parametrize("scale", LADDER[:4])
def test_a_coarse_scale_is_the_stock_model_on_pooled_tokens(host, pyramids, stock_inputs, scale):
    with torch.no_grad():
        full = host.model.get_image_features(stock_inputs["pixel_values"]).pooler_output
        grid = full.reshape(1, 16, 16, 32).permute(0, 3, 1, 2)
        pooled = avg_pool2d(grid, int((256 // scale) ** 0.5)).flatten(2)[0].T
        prompt = host._engine.prompts.tokenize(QUESTIONS[0])
        expected, generated = plain_forward(host.model, pooled, prompt.after)
        ids = [prompt.with_image(IMAGE, scale)]
        actual = prefill_padded(host.model, host._host, ids, [pyramids[1][scale]], 0).logits[0, -1]
    torch.testing.assert_close(actual, expected[0], atol=1e-5, rtol=0)
    [answer] = host.generate(pyramids[1:2], QUESTIONS[:1], scale, max_new_tokens=STEPS)
    assert answer.token_ids == generated


def test_mixed_batches_say_what_single_rows_say(host, pyramids):
    rows = [0, 1, 2, 0, 1, 2]
    asked = [QUESTIONS[i] for i in (0, 1, 2, 1, 2, 0)]
    scales = [256, 1, 4, 1, 64, 4]
    together = host.generate([pyramids[i] for i in rows], asked, scales, max_new_tokens=STEPS)
    for i, answer in enumerate(together):
        [alone] = host.generate([pyramids[rows[i]]], [asked[i]], scales[i], max_new_tokens=STEPS)
        assert answer.token_ids == alone.token_ids
        assert answer.mean_logprob == pytest.approx(alone.mean_logprob, abs=1e-4)
    assert len({answer.token_ids for answer in together}) > 1


def test_questions_never_share_an_image_that_sees_them(host, pyramids):
    assert not can_pack(host.model, host._host)
    [grouped] = host.answer_images(pyramids[:1], [QUESTIONS], 4, sampling=Sampling(STEPS))
    flat = host.generate(pyramids[:1] * 3, QUESTIONS, 4, max_new_tokens=STEPS)
    assert [answer.token_ids for answer in grouped] == [answer.token_ids for answer in flat]


def test_a_window_that_forgets_is_the_stock_models_matter(host, images, stock_inputs):
    # PaliGemma 2: every other layer sees only what is near, here less than the prompt is long.
    model = make_model(Gemma2Config, sliding_window=100)
    second = M3Backbone(model, host.tokenizer, host.image_processor)
    generated = model.generate(**stock_inputs, max_new_tokens=STEPS, do_sample=False)
    asked = [QUESTIONS[1], QUESTIONS[0]]
    answers = second.generate(second.encode(images[:2]), asked, 256, max_new_tokens=STEPS)
    prompt = stock_inputs["input_ids"].shape[1]
    assert answers[1].token_ids == tuple(generated[0, prompt:].tolist())


def test_an_illegal_scale_names_the_legal_ones(host, pyramids):
    with pytest.raises(ValueError, match="illegal scale 9: choose one of 1, 4, 16, 64, 256"):
        host.generate(pyramids[:1], QUESTIONS[:1], 9)


def test_the_prompt_starts_with_image_and_first_token(tokenizer):
    tokenizer.chat_template = None
    prompt = PromptBuilder(tokenizer, IMAGE, PREFIX_TEMPLATE).tokenize("red ?")
    assert prompt.before == ()
    assert prompt.after == tuple(tokenizer.convert_tokens_to_ids(["<s>", "red", "?"]))


def test_its_projector_is_one_matrix(host):
    # 256 patches of 3 x 4 x 4 values to 24; two layers of 24 with an MLP of 32; 24 to 32.
    layer = 256 * (4 * 24**2 + 2 * 24 * 32) + 2 * 256**2 * 24
    assert host.vision_flops == 2 * (256 * 48 * 24 + 2 * layer + 256 * 24 * 32)


def test_label_train_and_ask_follow_its_ladder(runner, folder, tmp_path, images):
    lines = []
    for i, image in enumerate(images * 4):
        image.resize((64 + i, 64)).save(tmp_path / f"{i}.png")
        row = {"image": f"{i}.png", "question": "red ?", "answers": ["w7"], "sample_id": str(i)}
        lines.append(json.dumps(row))
    (tmp_path / "source.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def run(*arguments):
        result = runner.invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, (result.output, result.exc_info)
        return result.stdout

    source, out, router = (tmp_path / name for name in ("source.jsonl", "out", "router"))
    short = ("--model", folder, "--max-new-tokens", 1)
    printed = run("label", "--source", source, "--out", out, "--json", tmp_path / "t.json", *short)
    assert printed.startswith(f"12 questions, 12 images: {out}")
    table = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert [(row["scale"], row["tokens"]) for row in table["fixed"]] == [(s, s) for s in LADDER]
    run("train", "--outcomes", out, "--out", router, "--kind", "linear")
    image = ("--image", tmp_path / "0.png")
    # Without the gate: twelve noise images calibrate it to chance, one way or the other.
    chosen = ("--router", router, "--lambda", 1, "--outlier", 0)
    printed = run("ask", *short, *image, *chosen, "red ?")
    assert "scale      1 (1 visual tokens)" in printed
    assert printed.count(": 0.") + printed.count(": 1.") == len(LADDER)
    printed = run("ask", *short, *image, "--scale", 64, "red ?")
    assert "scale      64 (64 visual tokens)" in printed


def test_it_cannot_be_written_in_the_official_format(host):
    with pytest.raises(ValueError, match="holds LLaVA-1.5 and LLaVA-NeXT, not 'paligemma'"):
        check_exportable(host.model)


def test_it_is_not_trained_here(folder):
    with pytest.raises(ValueError, match="only LLaVA-1.5 and LLaVA-NeXT can be trained here"):
        open_start(CheckpointSource(folder), 0, "cpu")
