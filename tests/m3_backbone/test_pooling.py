from itertools import pairwise

import pytest
import torch

from m3_backbone.pooling import POOLING_METHODS, build_pyramid, pool_tokens
from m3_backbone.scales import TOKEN_SCALES, legal_scales


@pytest.fixture
def ramp():
    """Token i of a 24x24 grid holds the number i."""
    return torch.arange(576.0).reshape(1, 576, 1)


def test_ramp_at_144_gives_means_of_two_by_two_cells(ramp):
    pooled = pool_tokens(ramp, 144)[0, :, 0]
    # First cells: rows 0-1, columns 0-1 of a grid 24 wide hold 0, 1, 24, 25; then 2, 3, 26, 27.
    assert pooled[0] == (0 + 1 + 24 + 25) / 4
    assert pooled[1] == (2 + 3 + 26 + 27) / 4
    # Token 12 starts the second row of the pooled grid: rows 2-3, columns 0-1.
    assert pooled[12] == (48 + 49 + 72 + 73) / 4


@pytest.mark.parametrize("scale", legal_scales(24))
def test_ramp_at_every_scale_gives_the_mean_of_the_cells_below(ramp, scale):
    side = round(scale**0.5)
    k = 24 // side
    expected = []
    for i in range(scale):
        top, left = k * (i // side), k * (i % side)
        cells = [24 * (top + r) + left + c for r in range(k) for c in range(k)]
        expected.append(sum(cells) / len(cells))
    torch.testing.assert_close(pool_tokens(ramp, scale)[0, :, 0], torch.tensor(expected))


def test_the_full_scale_is_the_input_bit_for_bit():
    tokens = torch.randn(2, 576, 5)
    assert torch.equal(pool_tokens(tokens, 576), tokens)


def test_scales_are_nested():
    tokens = torch.randn(2, 576, 5, generator=torch.Generator().manual_seed(0))
    for small, large in zip(TOKEN_SCALES, TOKEN_SCALES[1:], strict=False):
        twice = pool_tokens(pool_tokens(tokens, large), small)
        torch.testing.assert_close(twice, pool_tokens(tokens, small), atol=1e-6, rtol=0)


def test_crops_and_channels_do_not_mix():
    tokens = torch.randn(3, 576, 4, generator=torch.Generator().manual_seed(0))
    alone = torch.stack([pool_tokens(tokens[i : i + 1, :, :2], 9)[0] for i in range(3)])
    torch.testing.assert_close(pool_tokens(tokens, 9)[..., :2], alone)


def test_type_is_kept_and_other_grids_work():
    assert pool_tokens(torch.ones(1, 16, 2, dtype=torch.bfloat16), 4).dtype == torch.bfloat16


def test_a_pyramid_holds_every_scale_of_one_image(ramp):
    pyramid = build_pyramid(ramp[0], TOKEN_SCALES)
    assert {scale: tuple(level.shape) for scale, level in pyramid.items()} == {
        scale: (scale, 1) for scale in TOKEN_SCALES
    }
    assert pyramid[1].item() == 575 / 2


@pytest.mark.parametrize("scale", [0, 2, 25, 1000, 9.0])
def test_an_illegal_scale_is_refused(ramp, scale):
    with pytest.raises(ValueError, match="choose one of 1, 4, 9, 16, 36, 64, 144, 576"):
        pool_tokens(ramp, scale)


@pytest.mark.parametrize("shape", [(576, 4), (1, 575, 4), (1, 577, 4)])
def test_tokens_that_are_no_square_grid_are_refused(shape):
    with pytest.raises(ValueError, match="expected tokens of square grids"):
        pool_tokens(torch.zeros(shape), 1)


def test_a_pyramid_takes_one_image_only(ramp):
    with pytest.raises(ValueError, match="expected the tokens of one image"):
        build_pyramid(ramp, TOKEN_SCALES)


def test_sequential_sampling_counts_through_the_raster():
    tokens = torch.arange(16.0)[None, :, None]
    assert pool_tokens(tokens, 4, "sequential")[0, :, 0].tolist() == [0, 4, 8, 12]
    assert pool_tokens(tokens, 1, "sequential")[0, :, 0].tolist() == [0]


def test_sequential_sampling_takes_any_column(ramp):
    sampled = pool_tokens(ramp, 144, "sequential")[0, :, 0].tolist()
    assert sampled == list(range(0, 576, 4))
    # 36 tokens of 24 columns: every sixteenth, so columns 0, 16, 8, 0, ...
    columns = [int(place) % 24 for place in pool_tokens(ramp, 36, "sequential")[0, :, 0]]
    assert columns[:4] == [0, 16, 8, 0]


def test_spatial_sampling_takes_the_corner_of_each_bin(ramp):
    tokens = torch.arange(16.0)[None, :, None]
    assert pool_tokens(tokens, 4, "spatial")[0, :, 0].tolist() == [0, 2, 8, 10]
    sampled = pool_tokens(ramp, 9, "spatial")[0, :, 0].tolist()
    assert sampled == [0, 8, 16, 192, 200, 208, 384, 392, 400]


@pytest.mark.parametrize("method", POOLING_METHODS)
def test_every_method_is_nested_and_keeps_the_full_grid(ramp, method):
    assert torch.equal(pool_tokens(ramp, 576, method), ramp)
    for large, small in pairwise(sorted(TOKEN_SCALES, reverse=True)):
        twice = pool_tokens(pool_tokens(ramp, large, method), small, method)
        torch.testing.assert_close(twice, pool_tokens(ramp, small, method), atol=1e-4, rtol=0)
        assert twice.shape == (1, small, 1)


def test_an_unknown_method_is_refused(ramp):
    with pytest.raises(ValueError, match="unknown pooling 'max': choose one of average, seq"):
        pool_tokens(ramp, 9, "max")
