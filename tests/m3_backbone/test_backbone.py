"""The promises of M3Backbone on a tiny stock LLaVA with random weights, in float32."""

import numpy as np
import pytest
import torch
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling

from m3_backbone.backbone import M3Backbone
from m3_backbone.inference.sampling import Sampling
from m3_backbone.scales import TOKEN_SCALES

QUESTIONS = [
    "what is the colour of the big red cat?",
    "red?",
    "how many dogs are there on the left of a cat on a red dog?",
    "is there a dog?",
]
STEPS = 6


def stock_generate(model, **inputs):
    """Greedy ids of transformers' own generate, one row, without the prompt."""
    settings = GenerationConfig(
        max_new_tokens=STEPS,
        do_sample=False,
        eos_token_id=model.generation_config.eos_token_id,
        pad_token_id=0,
    )
    ids = model.generate(**inputs, generation_config=settings)
    return tuple(ids[0, inputs["input_ids"].shape[1] :].tolist())


def stock_ids(backbone, pyramid, question, scale):
    text = backbone.prompt(question).replace("<image>", "<image>" * scale)
    features = BaseModelOutputWithPooling(pooler_output=[pyramid[scale]])
    encoded = backbone.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    return stock_generate(backbone.model, **encoded, mm_encoder_outputs={"image": features})


def ids(answers):
    return [answer.token_ids for answer in answers]


def as_wanted(answer):
    """All fields that must not depend on the batch, numbers rounded."""
    return (
        *(answer.text, answer.token_ids, answer.scale, answer.visual_tokens),
        *(answer.prompt_tokens, answer.output_tokens),
        *(
            pytest.approx(answer.mean_logprob, abs=1e-4),
            pytest.approx(answer.first_margin, abs=1e-4),
        ),
    )


def mixed_rows(pyramids, count=10):
    """Rows of mixed scales, images and questions."""
    pick = [i % len(pyramids) for i in range(count)]
    asked = [QUESTIONS[(i * 7) % len(QUESTIONS)] for i in range(count)]
    scales = [TOKEN_SCALES[(i * 2) % 5] for i in range(count)]
    return [pyramids[i] for i in pick], asked, scales


def test_a_pyramid_has_every_scale(backbone, pyramids):
    assert backbone.scales == TOKEN_SCALES
    assert backbone.grid_side == 24
    for pyramid in pyramids:
        assert {s: tuple(level.shape) for s, level in pyramid.items()} == {
            s: (s, backbone.hidden_size) for s in TOKEN_SCALES
        }


def test_the_vision_tower_runs_once_for_each_distinct_image(backbone, images):
    rows = []
    hook = backbone.model.model.vision_tower.register_forward_hook(
        lambda module, args, output: rows.append(len(output.last_hidden_state))
    )
    try:
        pyramids = backbone.encode([images[0], images[1], images[0].copy()])
        assert rows == [2]
        backbone.generate(pyramids, QUESTIONS[:3], [1, 9, 576], max_new_tokens=2)
        backbone.answer_images(pyramids, [QUESTIONS] * 3, 36, sampling=Sampling(2))
        assert rows == [2]
    finally:
        hook.remove()
    assert pyramids[0] is pyramids[2]


def test_mixed_batches_say_what_single_rows_say(backbone, pyramids):
    rows, asked, scales = mixed_rows(pyramids)
    together = backbone.generate(rows, asked, scales, max_new_tokens=STEPS)
    for i, answer in enumerate(together):
        [alone] = backbone.generate([rows[i]], [asked[i]], scales[i], max_new_tokens=STEPS)
        assert as_wanted(answer) == as_wanted(alone)
    assert [answer.scale for answer in together] == scales
    # The test would be empty if the image or the scale made no difference.
    assert len(set(ids(together))) == len(together)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_batch_size_does_not_matter(backbone, pyramids, batch_size):
    rows = mixed_rows(pyramids)
    small = backbone.generate(*rows, max_new_tokens=STEPS, batch_size=batch_size)
    assert ids(small) == ids(backbone.generate(*rows, max_new_tokens=STEPS))


def test_the_full_scale_is_stock_transformers_with_pixels(backbone, images, pyramids):
    answers = backbone.generate(pyramids, QUESTIONS[:3], 576, max_new_tokens=STEPS)
    for image, question, answer in zip(images, QUESTIONS[:3], answers, strict=True):
        pixels = backbone.image_processor(images=[image], return_tensors="pt")["pixel_values"]
        text = backbone.prompt(question).replace("<image>", "<image>" * 576)
        encoded = backbone.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        assert answer.token_ids == stock_generate(backbone.model, **encoded, pixel_values=pixels)
        assert answer.prompt_tokens == encoded["input_ids"].shape[1]
        assert answer.visual_tokens == 576


@pytest.mark.parametrize("scale", TOKEN_SCALES)
def test_every_scale_is_stock_transformers_with_pooled_features(backbone, pyramids, scale):
    answers = backbone.generate(pyramids[:2], QUESTIONS[1:3], scale, max_new_tokens=STEPS)
    for pyramid, question, answer in zip(pyramids, QUESTIONS[1:3], answers, strict=False):
        assert answer.token_ids == stock_ids(backbone, pyramid, question, scale)


@pytest.mark.parametrize("scale", TOKEN_SCALES)
def test_many_questions_an_image_get_the_answers_of_generate(backbone, pyramids, scale):
    groups = [QUESTIONS, QUESTIONS[2:0:-1], QUESTIONS[:1]]
    grouped = backbone.answer_images(pyramids, groups, scale, sampling=Sampling(STEPS))
    rows = [pyramid for pyramid, group in zip(pyramids, groups, strict=True) for _ in group]
    flat = backbone.generate(rows, sum(groups, []), scale, max_new_tokens=STEPS)
    assert [len(group) for group in grouped] == [4, 2, 1]
    assert [as_wanted(a) for group in grouped for a in group] == [as_wanted(a) for a in flat]


def test_images_without_questions_get_no_answers(backbone, pyramids):
    grouped = backbone.answer_images(pyramids, [[], QUESTIONS[:1], []], 9, sampling=Sampling(STEPS))
    alone = backbone.generate(pyramids[1:2], QUESTIONS[:1], 9, max_new_tokens=STEPS)
    assert [ids(group) for group in grouped] == [[], ids(alone), []]
    assert backbone.answer_images(pyramids, [[], [], []], 9) == [[], [], []]
    assert backbone.answer_images([], [], 9) == []
    assert backbone.generate([], [], 9) == []


def test_an_answer_ends_with_its_end_token(build_model, build_backbone, images, backbone):
    rows = mixed_rows(backbone.encode(images))
    without_end = backbone.generate(*rows, max_new_tokens=STEPS)
    # The random model hardly ever says </s>: name two tokens that it does say as ends.
    ends = [without_end[0].token_ids[2], without_end[1].token_ids[0]]
    model = build_model()
    model.generation_config.eos_token_id = ends
    ending = build_backbone(model)
    answers = ending.generate(*rows, max_new_tokens=STEPS)
    for answer, longer in zip(answers, without_end, strict=True):
        stops = [i for i, token in enumerate(longer.token_ids) if token in ends]
        assert answer.token_ids == longer.token_ids[: stops[0] + 1 if stops else STEPS]
        assert answer.output_tokens == len(answer.token_ids)
    assert len({answer.output_tokens for answer in answers}) > 2
    for i in (0, 1, 2):
        assert answers[i].token_ids == stock_ids(ending, rows[0][i], rows[1][i], rows[2][i])


def test_ends_hold_for_many_questions_an_image(build_model, build_backbone, images, backbone):
    pyramids = backbone.encode(images)
    groups = [QUESTIONS, QUESTIONS[:2], QUESTIONS[::-1]]
    unended = backbone.answer_images(pyramids, groups, 36, sampling=Sampling(STEPS))
    model = build_model()
    model.generation_config.eos_token_id = [
        unended[0][0].token_ids[0],
        unended[0][1].token_ids[1],
        unended[1][1].token_ids[3],
    ]
    ending = build_backbone(model)
    answers = ending.answer_images(pyramids, groups, 36, sampling=Sampling(STEPS))
    rows = [pyramid for pyramid, group in zip(pyramids, groups, strict=True) for _ in group]
    flat = ending.generate(rows, sum(groups, []), 36, max_new_tokens=STEPS)
    assert [as_wanted(a) for group in answers for a in group] == [as_wanted(a) for a in flat]
    assert answers[0][0].output_tokens == 1
    assert len({answer.output_tokens for answer in flat}) > 2


def test_without_packing_the_answers_are_the_same(build_model, build_backbone, images, backbone):
    pyramids = backbone.encode(images)
    groups = [QUESTIONS[:2], [], QUESTIONS[2:]]
    model = build_model()
    model.config.get_text_config().sliding_window = 4096
    plain = build_backbone(model).answer_images(pyramids, groups, 9, sampling=Sampling(STEPS))
    packed = backbone.answer_images(pyramids, groups, 9, sampling=Sampling(STEPS))
    assert [ids(group) for group in plain] == [ids(group) for group in packed]


def test_log_probability_and_margin_are_those_of_a_plain_forward(backbone, pyramids):
    [answer] = backbone.generate(pyramids[:1], QUESTIONS[:1], 36, max_new_tokens=STEPS)
    text = backbone.prompt(QUESTIONS[0]).replace("<image>", "<image>" * 36)
    prompt = backbone.tokenizer(text)["input_ids"]
    features = BaseModelOutputWithPooling(pooler_output=[pyramids[0][36]])
    with torch.no_grad():
        logits = backbone.model(
            input_ids=torch.tensor([[*prompt, *answer.token_ids]]),
            mm_encoder_outputs={"image": features},
        ).logits[0, len(prompt) - 1 : -1]
    logprobs = logits.log_softmax(-1)
    chosen = logprobs[range(STEPS), list(answer.token_ids)]
    best = logprobs[0].sort(descending=True).values
    assert answer.mean_logprob == pytest.approx(chosen.mean().item(), abs=1e-4)
    assert answer.first_margin == pytest.approx((best[0] - best[1]).item(), abs=1e-4)
    assert answer.wall_ms > 0


def test_features_in_bfloat16_answer_too(tiny_folder, images):
    backbone = M3Backbone.from_pretrained(tiny_folder, dtype="bfloat16")
    assert backbone.dtype_name == "bfloat16"
    pyramids = backbone.encode(images[:2])
    grouped = backbone.answer_images(pyramids, [QUESTIONS[:2]] * 2, 9, sampling=Sampling(3))
    assert [answer.output_tokens for group in grouped for answer in group] == [3, 3, 3, 3]
    assert backbone.coarse_tokens(pyramids).dtype == np.float32


def test_the_question_embedding_is_the_mean_over_its_own_tokens(backbone):
    table = backbone.model.get_input_embeddings().weight.detach().numpy()
    words = backbone.tokenizer.convert_tokens_to_ids(["red", "cat", "?"])
    embedding = backbone.question_embedding(["red cat?", "dog"])
    assert embedding.shape == (2, backbone.hidden_size)
    np.testing.assert_allclose(embedding[0], table[words].mean(0), rtol=1e-5)


def test_prompt_states_are_those_of_each_prompt_alone(backbone, pyramids):
    chosen = [pyramids[i % len(pyramids)] for i in range(len(QUESTIONS))]
    actual = backbone.prompt_states(chosen, QUESTIONS)
    assert actual.shape == (len(QUESTIONS), backbone.hidden_size)
    for row, pyramid, question in zip(actual, chosen, QUESTIONS, strict=True):
        alone = backbone.prompt_states([pyramid], [question])[0]
        np.testing.assert_allclose(row, alone, atol=1e-4)
    assert np.abs(actual[0] - actual[1]).max() > 1e-3
    assert backbone.prompt_states([], []).shape == (0, backbone.hidden_size)


def test_coarse_tokens_are_the_two_smallest_scales(backbone, pyramids):
    coarse = backbone.coarse_tokens(pyramids)
    assert coarse.shape == (3, 10, backbone.hidden_size)
    np.testing.assert_array_equal(coarse[1, :1], pyramids[1][1].numpy())
    np.testing.assert_array_equal(coarse[1, 1:], pyramids[1][9].numpy())


def test_a_model_in_memory_has_a_fingerprint_of_its_own(backbone, build_model, build_backbone):
    in_memory = build_backbone(build_model())
    assert len(in_memory.fingerprint) == len(backbone.fingerprint) == 16
    assert in_memory.fingerprint == build_backbone(build_model()).fingerprint


def test_scales_the_checkpoint_names_are_the_legal_ones(build_model, build_backbone, images):
    backbone = build_backbone(build_model(matryoshka_vis_token_scale=[64, 4]))
    assert backbone.scales == (4, 64)
    pyramids = backbone.encode(images[:1])
    assert list(pyramids[0]) == [4, 64]
    assert backbone.coarse_tokens(pyramids).shape[1] == 68
    with pytest.raises(ValueError, match="illegal scale 1: choose one of 4, 64 "):
        backbone.generate(pyramids, ["red?"], 1)


def test_scales_may_be_an_array(backbone, pyramids):
    answers = backbone.generate(pyramids[:2], QUESTIONS[:2], np.array([1, 9]), max_new_tokens=1)
    assert [answer.scale for answer in answers] == [1, 9]


@pytest.mark.gpu
def test_a_gpu_says_what_the_cpu_says(tiny_folder, backbone, images):
    on_gpu = M3Backbone.from_pretrained(tiny_folder, device="cuda")
    groups = [QUESTIONS] * 3
    for scale in TOKEN_SCALES:
        expected = backbone.answer_images(
            backbone.encode(images), groups, scale, sampling=Sampling(1)
        )
        actual = on_gpu.answer_images(on_gpu.encode(images), groups, scale, sampling=Sampling(1))
        assert [ids(group) for group in actual] == [ids(group) for group in expected]
