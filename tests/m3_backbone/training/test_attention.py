"""Attention step by step gives what torch's fused attention gives."""

import copy

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.training.attention import added_mask, attend_stepwise, use_stepwise_attention
from m3_backbone.training.conversations import pack_conversations
from m3_backbone.training.finetune import Batch, matryoshka_step
from m3_backbone.training.packing import pack_texts
from m3_backbone.training.settings import FinetuneSettings

MASK = torch.ones(7, 7, dtype=torch.bool).tril().expand(2, 1, 7, 7)


@pytest.mark.parametrize("mask", [None, MASK, added_mask(MASK, torch.bfloat16)])
def test_it_attends_as_the_fused_one_with_keys_that_heads_share(mask):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 7, 8, generator=generator)
    key, value = torch.randn(2, 2, 2, 7, 8, generator=generator)
    allowed = None if mask is None else MASK
    expected = scaled_dot_product_attention(query, key, value, allowed, enable_gqa=True)
    read, attention = attend_stepwise(torch.nn.Identity(), query, key, value, mask, 8**-0.5)
    torch.testing.assert_close(read, expected.transpose(1, 2))
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 4, 7))


@pytest.fixture
def batches(tokenizer):
    prompts = PromptBuilder(tokenizer, 3)
    pixels = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    asked = [[("what is the cat?", "red")], [("how many?", "big dog"), ("colour?", "big red")]]
    talks = [
        ([(1, "what is the cat?", "red"), (0, "how many?", "big dog")], [(96, 96)]),
        ([(1, "colour?", "big")], [(96, 96)]),
    ]
    return {
        "packed": Batch(pixels, pack_texts(prompts, asked)),
        "conversations": Batch(pixels, pack_conversations(prompts, talks, lambda size: 576, 700)),
    }


@pytest.mark.parametrize("kind", ["packed", "conversations"])
def test_a_step_has_the_same_gradient(build_model, batches, kind):
    gradients = []
    for stepwise in (False, True):
        model = copy.deepcopy(build_model()).train()
        if stepwise:
            use_stepwise_attention(model)
        matryoshka_step(model, batches[kind], (9, 144), FinetuneSettings(1e-3, 1e-3, 1e-3))
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    expected, actual = gradients
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-3)  # names and values
