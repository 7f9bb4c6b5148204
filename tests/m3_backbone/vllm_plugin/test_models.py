"""The contract of the plug-in: what vLLM answers is what M3Backbone answers, at any scale."""

import os.path
import random
from types import SimpleNamespace

import pytest
import torch

pytestmark = pytest.mark.vllm

BLOCK = 32


@pytest.fixture(scope="module")
def llm(open_llm, mini):
    return open_llm(mini.backbone._folder)


def ask(llm, requests, tokens=16):
    from vllm import SamplingParams

    sampling = SamplingParams(temperature=0, max_tokens=tokens, logprobs=2)
    return llm.generate(requests, sampling, use_tqdm=False)


def request(mini, key):
    image, place, scale = key
    return {
        "prompt": mini.backbone.prompt(mini.texts[image][place]),
        "multi_modal_data": {"image": mini.images[image]},
        "mm_processor_kwargs": {"visual_tokens": scale},
    }


def margin(output):
    first, second = sorted((one.logprob for one in output.logprobs[0].values()), reverse=True)[:2]
    return first - second


def count_shared(mini, keys):
    """Tokens that are in a whole block which an earlier prompt of this image and scale has too."""
    read, shared = {}, 0
    for key in keys:
        image, place, scale = key
        prompt = mini.backbone._engine.prompts.tokenize(mini.texts[image][place])
        ids = prompt.with_image(3, scale)
        most = 0
        for other in read.setdefault((image, scale), []):
            same = len(os.path.commonprefix([ids, other]))
            # The last token is always read, for its logits.
            most = max(most, min(same, len(ids) - 1) // BLOCK * BLOCK)
        shared += most
        read[image, scale].append(ids)
    return shared


@pytest.fixture(scope="module")
def asked(llm, mini):
    """All questions at all scales in one mixed and shuffled batch."""
    keys = list(mini.answers)
    random.Random(0).shuffle(keys)
    assert len(keys) >= 1000
    return list(zip(keys, ask(llm, [request(mini, key) for key in keys]), strict=True))


def test_mixed_scales_in_one_batch_are_answered_as_by_m3backbone(asked, mini):
    for key, output in asked:
        expected, [actual] = mini.answers[key], output.outputs
        assert tuple(actual.token_ids) == expected.token_ids
        assert len(output.prompt_token_ids) == expected.prompt_tokens
        assert margin(actual) == pytest.approx(expected.first_margin, abs=1e-4)


def test_questions_of_an_image_share_its_prefix(asked, mini):
    assert sum(output.num_cached_tokens for _, output in asked) == count_shared(
        mini, [key for key, _ in asked]
    )


def test_without_a_number_all_tokens_are_read(llm, mini):
    key = (0, 0, 576)
    [output] = ask(llm, [{**request(mini, key), "mm_processor_kwargs": {}}])
    assert tuple(output.outputs[0].token_ids) == mini.answers[key].token_ids
    assert len(output.prompt_token_ids) == mini.answers[key].prompt_tokens


def test_ready_tokens_of_mixed_sizes_are_answered_alike(llm, mini):
    keys = random.Random(1).sample(list(mini.answers), 60)
    requests = [
        {**request(mini, key), "multi_modal_data": {"image": mini.pyramids[key[0]][key[2]][None]}}
        for key in keys
    ]
    for one in requests:
        del one["mm_processor_kwargs"]
    # Pixels between them: both ways in one batch.
    mixed = [
        one
        for ready, key in zip(requests, keys, strict=True)
        for one in (ready, request(mini, key))
    ]
    outputs = ask(llm, mixed)
    for number, output in enumerate(outputs):
        assert tuple(output.outputs[0].token_ids) == mini.answers[keys[number // 2]].token_ids


@pytest.mark.parametrize("scale", [1, 36])
def test_a_question_about_two_images(llm, mini, scale):
    [expected] = mini.backbone.generate([mini.pyramids[:2]], [mini.texts[0][0]], scale)
    one = request(mini, (0, 0, scale))
    [output] = ask(
        llm,
        [
            {
                **one,
                "prompt": one["prompt"].replace("<image>", "<image><image>"),
                "multi_modal_data": {"image": mini.images[:2]},
            }
        ],
    )
    assert tuple(output.outputs[0].token_ids) == expected.token_ids
    assert len(output.prompt_token_ids) == expected.prompt_tokens
    assert margin(output.outputs[0]) == pytest.approx(expected.first_margin, abs=1e-4)


def test_a_prompt_without_its_first_token_gets_it(llm, mini):
    key = (0, 0, 36)
    prompt = mini.backbone._engine.prompts.tokenize(mini.texts[0][0])
    ids = prompt.with_image(3, 1)
    assert ids[0] == 1
    requests = [{**request(mini, key), "prompt_token_ids": row} for row in (ids, ids[1:])]
    for one in requests:
        del one["prompt"]
    for output in ask(llm, requests):
        assert list(output.prompt_token_ids) == prompt.with_image(3, 36)


REFUSED = [
    {"visual_tokens": 35},
    {"visual_tokens": "36"},
    {"visual_tokens": True},
    {"visual_tokens": 36.0},
    {"visual_tokens": None},
    {"visual_tokens": [36]},
    {"visual_tokens": 10**30},
    {"visual_tokens": -1},
    {"visual_token": 36},
    {"visual_tokens": 36, "do_resize": False},
    {"images_kwargs": {"size": {"height": 8, "width": 8}}},
]


@pytest.mark.parametrize("kwargs", REFUSED, ids=str)
def test_other_keys_and_values_are_refused(llm, mini, kwargs):
    from vllm.exceptions import VLLMValidationError

    with pytest.raises(VLLMValidationError, match="visual_tokens|illegal scale"):
        ask(llm, [{**request(mini, (0, 0, 36)), "mm_processor_kwargs": kwargs}])


def test_embeddings_of_no_use_are_refused(llm, mini):
    from vllm.exceptions import VLLMValidationError

    good = mini.pyramids[0][9][None]
    one = request(mini, (0, 0, 9))
    both = {**one, "multi_modal_data": {"image": good}}
    del one["mm_processor_kwargs"]
    for bad in (good * float("nan"), good[:, :0], good.long()):
        with pytest.raises(VLLMValidationError, match="finite floating-point"):
            ask(llm, [{**one, "multi_modal_data": {"image": bad}}])
    with pytest.raises(ValueError, match="mismatch"):
        ask(llm, [{**one, "multi_modal_data": {"image": good[..., :100]}}])
    with pytest.raises(VLLMValidationError, match="goes with pixels"):
        ask(llm, [both])
    # Whatever was refused, the engine goes on.
    [output] = ask(llm, [{**one, "multi_modal_data": {"image": good}}])
    assert tuple(output.outputs[0].token_ids) == mini.answers[0, 0, 9].token_ids


def test_a_question_with_an_image_marker_is_refused(llm, mini):
    from vllm.exceptions import VLLMValidationError

    one = request(mini, (0, 0, 36))
    with pytest.raises(VLLMValidationError, match="2 image markers for 1 images"):
        ask(llm, [{**one, "prompt": one["prompt"].replace("?", "<image>?", 1)}])


@pytest.fixture
def stub_model():
    """The vision side on 4x4 tokens that are the pixels themselves; notes what the tower sees."""
    from m3_backbone.vllm_plugin.models import MatryoshkaVision

    class Stub:
        vision_tower = None

        def __init__(self, *, vllm_config, prefix):
            self.seen = []

        def _image_pixels_to_features(self, tower, pixels):
            self.seen.append(len(pixels))
            return pixels.flatten(2).transpose(1, 2)

        def multi_modal_projector(self, features):
            return features

    class Model(MatryoshkaVision, Stub):
        """What is tested on what stands for vLLM's class."""

    settings = SimpleNamespace(
        hf_config=None, dtype=torch.float32, try_get_generation_config=lambda: {}
    )
    return Model(vllm_config=SimpleNamespace(model_config=settings))


def embed(model, names, scales):
    pixels = torch.stack([torch.full((3, 4, 4), float(name)) for name in names])
    keys = torch.stack([torch.full((32,), name, dtype=torch.uint8) for name in names])
    sizes = torch.full((len(names), 2), 4)
    return model.embed_multimodal(pixels, None, torch.tensor(scales), sizes, keys)


def test_the_tower_sees_each_distinct_image_once(stub_model):
    tokens = embed(stub_model, [1, 2, 1, 1], [16, 4, 4, 1])
    assert [one.shape for one in tokens] == [(16, 3), (4, 3), (4, 3), (1, 3)]
    assert [float(one.mean()) for one in tokens] == [1, 2, 1, 1]
    embed(stub_model, [3, 2, 1], [1, 1, 16])
    assert stub_model.seen == [2, 1]


def test_images_that_were_not_asked_about_for_long_are_forgotten(stub_model, monkeypatch):
    monkeypatch.setattr("m3_backbone.vllm_plugin.models.KEPT_BYTES", 2 * 16 * 3 * 4)  # two images
    for names in ([1], [2], [1], [3], [1], [2]):
        [one] = embed(stub_model, names, [4])
        assert float(one.mean()) == names[0]
    assert len(stub_model.seen) == 4  # of 1, 2, 3, and 2 again
