import pytest
import torch
from transformers import MistralConfig

from m3_backbone.hosts.host import HOSTS
from m3_backbone.inference.prefill import can_pack, prefill_packed, prefill_padded, read_last_states

IMAGE = 3
LLAVA = HOSTS["llava"]
BEFORE = [1, 5, 7]
AFTERS = [[8, 9, 10, 6], [11, 6], [12, 13, 6]]


@pytest.fixture
def features():
    return list(torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(0)))


def prompt(after):
    return [*BEFORE, *[IMAGE] * 9, *after]


@torch.no_grad()
def single(model, after, feature):
    """What the stock model says to one prompt alone."""
    state = prefill_padded(model, LLAVA, [prompt(after)], [feature], 0)
    return state.logits[0, 0]


def test_a_padded_batch_says_what_each_row_says_alone(backbone, features):
    with torch.no_grad():
        state = prefill_padded(
            backbone.model, LLAVA, [prompt(AFTERS[0]), prompt(AFTERS[1])], features, pad_id=0
        )
    assert state.position.tolist() == [[16], [14]]
    assert state.owner.shape == (2, 16)
    for row in range(2):
        alone = single(backbone.model, AFTERS[row], features[row])
        torch.testing.assert_close(state.logits[row, 0], alone, atol=1e-4, rtol=1e-4)


def test_last_states_are_what_the_first_token_is_read_from(backbone, features):
    model, prompts = backbone.model, [prompt(AFTERS[0]), prompt(AFTERS[1])]
    with torch.no_grad():
        states = read_last_states(model, LLAVA, prompts, features, pad_id=0)
        logits = prefill_padded(model, LLAVA, prompts, features, pad_id=0).logits[:, 0]
        torch.testing.assert_close(model.lm_head(states), logits, atol=1e-5, rtol=1e-5)


def test_a_padded_row_alone_says_what_embeddings_by_hand_say(backbone, features):
    model = backbone.model
    embeddings = model.get_input_embeddings()
    parts = [embeddings(torch.tensor(BEFORE)), features[0], embeddings(torch.tensor(AFTERS[0]))]
    with torch.no_grad():
        by_hand = model(inputs_embeds=torch.cat(parts)[None]).logits[0, -1]
    torch.testing.assert_close(single(model, AFTERS[0], features[0]), by_hand, atol=1e-4, rtol=1e-4)


def test_packed_endings_say_what_each_prompt_says_alone(backbone, features):
    endings = [AFTERS, AFTERS[1:2]]
    with torch.no_grad():
        state = prefill_packed(backbone.model, LLAVA, prompt([]), features, endings, pad_id=0)
    assert state.active.tolist() == [[True, True, True], [True, False, False]]
    # Twelve shared tokens, then endings of 4, 2 and 3.
    assert state.position[0].tolist() == [16, 14, 15]
    assert state.position[1, 0] == 14
    assert state.owner.shape == (2, 12 + 9)
    for row, slot in [(0, 0), (0, 1), (0, 2), (1, 0)]:
        alone = single(backbone.model, endings[row][slot], features[row])
        torch.testing.assert_close(state.logits[row, slot], alone, atol=1e-4, rtol=1e-4)


def test_a_row_with_too_many_visual_tokens_is_named(backbone, features):
    # In total the counts agree, which is all that transformers itself compares.
    prompts = [[*BEFORE, *[IMAGE] * 8, 6], [*BEFORE, *[IMAGE] * 10, 6]]
    with pytest.raises(ValueError, match="row 0: the prompt has room for 8 .*its image has 9"):
        prefill_padded(backbone.model, LLAVA, prompts, features, 0)
    with pytest.raises(ValueError, match="row 1: the prompt has room for 9 .*its image has 4"):
        prefill_packed(
            backbone.model, LLAVA, prompt([]), [features[0], features[1][:4]], [AFTERS, AFTERS], 0
        )


@pytest.mark.parametrize(
    ("attention", "expected"), [("sdpa", True), ("eager", True), ("flash_attention_2", False)]
)
def test_packing_needs_attention_with_a_mask_of_its_own(build_model, attention, expected):
    model = build_model()
    model.config.get_text_config()._attn_implementation_internal = attention
    assert can_pack(model, LLAVA) is expected


def test_packing_needs_layers_that_see_everything(build_model):
    text = MistralConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=128,
        pad_token_id=0,
        sliding_window=64,
    )
    model = build_model(text_config=text)
    assert not can_pack(model, LLAVA)
    text.sliding_window = None
    whole = build_model(text_config=text)
    assert can_pack(whole, LLAVA)


def test_the_beginning_is_read_up_to_the_keys_of_the_last_layer(build_model, features):
    model, calls = build_model(), []
    for layer in model.model.language_model.layers:
        layer.mlp.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    packed = prompt([]), features, [AFTERS, AFTERS[:1]]
    with torch.no_grad():
        state = prefill_packed(model, LLAVA, *packed, pad_id=0)
        # Two layers, of which the beginning's second stops before its MLP.
        assert len(calls) == 3
        # Under a device map, where hooks fetch weights, every layer is run to its end.
        model.hf_device_map = {"": "cpu"}
        whole = prefill_packed(model, LLAVA, *packed, pad_id=0)
    assert len(calls) == 3 + 4
    assert torch.equal(state.logits, whole.logits)
