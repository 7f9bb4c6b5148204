import pytest
from torch.utils.flop_counter import FlopCounterMode

from m3_backbone.flops import (
    LanguageShape,
    VisionShape,
    answer_flops,
    decode_flops,
    prefill_flops,
    vision_flops,
)

SMALL = LanguageShape(
    layers=2, hidden=4, intermediate=6, vocab=10, query_width=4, key_value_width=2
)
# One layer, one token: q and o 4x4 each, k and v 4x2 each, three MLP matrices 4x6.
LAYER = 16 + 16 + 8 + 8 + 3 * 24


def test_prefill_is_weights_attention_and_one_row_of_the_head():
    # Attention of 5 tokens: scores and weighted sum, 5 x 5 pairs of width 4 each.
    assert prefill_flops(SMALL, 5) == 2 * (2 * (5 * LAYER + 2 * 25 * 4) + 40)


def test_decode_is_one_token_against_its_context():
    assert decode_flops(SMALL, 7) == 2 * (2 * (LAYER + 2 * 7 * 4) + 40)


def test_an_answer_is_one_prefill_and_a_step_for_each_further_token():
    assert answer_flops(SMALL, 5, 1) == prefill_flops(SMALL, 5)
    assert answer_flops(SMALL, 5, 3) == (
        prefill_flops(SMALL, 5) + decode_flops(SMALL, 6) + decode_flops(SMALL, 7)
    )


def test_the_formula_of_a_dense_decoder():
    # L (4 n d^2 + 2 n^2 d + 3 n d m) multiply-adds, without a head.
    n, d, m = 600, 4096, 11008
    shape = LanguageShape(32, d, m, vocab=0, query_width=d, key_value_width=d)
    assert prefill_flops(shape, n) == 2 * 32 * (4 * n * d**2 + 2 * n**2 * d + 3 * n * d * m)


def test_fewer_visual_tokens_cost_less():
    costs = [prefill_flops(SMALL, 20 + scale) for scale in (1, 9, 36, 144, 576)]
    assert costs == sorted(costs)


def test_vision_is_patches_encoder_and_projector():
    shape = VisionShape(
        layers=3, hidden=4, intermediate=8, patches=9, patch_values=12, extra_tokens=1, projected=5
    )
    patches = 9 * 12 * 4
    encoder = 3 * (10 * (4 * 16 + 2 * 4 * 8) + 2 * 100 * 4)
    projector = 9 * (4 * 5 + 5 * 5)
    assert vision_flops(shape) == 2 * (patches + encoder + projector)


def test_the_backbone_counts_what_torch_counts(build_model, build_backbone, images):
    model = build_model()
    model.set_attn_implementation("eager")  # torch does not count the fused kernel on a CPU
    backbone = build_backbone(model)
    with FlopCounterMode(display=False) as counter:
        pyramid = backbone.encode(images[:1])[0]
    assert backbone.vision_flops == counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        answer = backbone.generate([pyramid], ["what is the cat ?"], 144, max_new_tokens=3)[0]
    assert answer.output_tokens == 3
    # torch also counts turning positions into rotations, a thousandth of the rest.
    assert backbone.answer_flops(answer) == pytest.approx(counter.get_total_flops(), rel=1e-3)
