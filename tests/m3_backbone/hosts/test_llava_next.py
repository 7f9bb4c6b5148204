"""LLaVA-NeXT models, which cut images into crops, with a tiny one; see test_golden.py too."""

import numpy as np
import pytest
import torch

from m3_backbone.hosts.anyres import count_visual_tokens
from m3_backbone.hosts.host import find_host
from m3_backbone.inference.execution import evaluating
from m3_backbone.inference.prefill import prefill_padded
from m3_backbone.inference.sampling import Sampling

QUESTIONS = ["what is the colour ?", "how many red cat are there on the left ?"]
SCALES = (1, 4, 16, 64)


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
        [*pyramids, pyramids[0]], [*[QUESTIONS] * 4, []], scale, sampling=Sampling(4)
    )
    assert grouped[4] == []
    for k, question in enumerate(QUESTIONS):
        together = backbone.generate(pyramids, [question] * 4, scale, max_new_tokens=4)
        for i, actual in enumerate(together):
            [alone] = backbone.generate([pyramids[i]], [question], scale, max_new_tokens=4)
            assert actual.token_ids == alone.token_ids == grouped[i][k].token_ids
            assert actual.visual_tokens == grouped[i][k].visual_tokens
            assert actual.mean_logprob == pytest.approx(alone.mean_logprob, abs=1e-4)


def test_the_full_grid_gives_what_the_stock_model_gives(build_next, noise):
    """With the one way of merging that the stock model knows."""
    backbone = build_next("spatial_unpad")
    model, image_id = backbone.model, backbone.model.config.image_token_id
    for image, pyramid in zip(noise[:3], backbone.encode(noise[:3]), strict=True):
        inputs = backbone.image_processor(images=[image], return_tensors="pt")
        ids = [[1, *[image_id] * len(pyramid[64]), 5, 6]]
        with evaluating(model):
            stock = model.get_image_features(**inputs, return_dict=True).pooler_output[0]
            torch.testing.assert_close(pyramid[64], stock, atol=3e-5, rtol=0)
            expected = model(input_ids=torch.tensor(ids), **inputs).logits[0, -1]
            state = prefill_padded(model, find_host(model.config), ids, [pyramid[64]], 0)
            actual = state.logits[0, 0]
        torch.testing.assert_close(actual, expected, atol=3e-5, rtol=0)


def test_equal_images_are_encoded_once_and_crops_fill_the_batches(build_next, noise):
    backbone = build_next()
    sizes = []
    backbone.model.model.vision_tower.register_forward_hook(
        lambda module, args, output: sizes.append(len(args[0]))
    )
    first, _, third = backbone.encode([noise[0], noise[2], noise[0].copy()], batch_size=2)
    assert first is third
    # Three and five crops, two at a time.
    assert sizes == [2, 2, 2, 2]
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
        [[grouped]] = backbone.answer_images([[a, b]], [QUESTIONS[:1]], scale, sampling=Sampling(3))
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


def test_a_processor_that_cuts_otherwise_is_refused(build_next, build_next_processor, noise):
    grids = build_next().model.config.image_grid_pinpoints
    swapped = build_next(processor=build_next_processor(32, [grids[1], grids[0], grids[2]]))
    with pytest.raises(ValueError, match="image_grid_pinpoints must be the same in both"):
        swapped.encode(noise[:1])
    larger = build_next(processor=build_next_processor(64, grids))
    with pytest.raises(ValueError, match=r"the image processor gave crops \[2, 3, 64, 64\], exp"):
        larger.encode(noise[:1])


def test_an_unknown_merge_type_is_refused(build_next):
    with pytest.raises(ValueError, match="unknown merge type 'ragged'"):
        build_next("ragged")
