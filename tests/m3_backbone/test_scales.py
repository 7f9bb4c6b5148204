import subprocess
import sys

import numpy as np
import pytest

from m3_backbone.scales import TOKEN_SCALES, check_scale, default_ladder, legal_scales, pool_stride


def test_legal_scales_are_the_squares_of_the_divisors():
    # Divisors of 24: 1 2 3 4 6 8 12 24.
    assert legal_scales(24) == (1, 4, 9, 16, 36, 64, 144, 576)
    assert legal_scales(7) == (1, 49)


@pytest.mark.parametrize(
    ("side", "ladder"),
    [(24, TOKEN_SCALES), (16, (1, 4, 16, 64, 256)), (27, (1, 9, 81, 729)), (7, (1, 49)), (1, (1,))],
)
def test_default_ladder_divides_the_side_by_its_smallest_factor(side, ladder):
    assert default_ladder(side) == ladder


@pytest.mark.parametrize("side", [0, -24, 24.0, True, None])
def test_a_side_that_is_no_positive_integer_is_refused(side):
    with pytest.raises(ValueError, match="grid side must be a positive integer"):
        legal_scales(side)


@pytest.mark.parametrize("scale", TOKEN_SCALES)
def test_check_scale_returns_a_plain_int(scale):
    assert check_scale(scale) == scale
    assert type(check_scale(np.int64(scale))) is int


@pytest.mark.parametrize("scale", [0, 2, -9, 10, 577, True, 9.0, "9", [9], None])
def test_an_illegal_scale_names_the_legal_ones(scale):
    with pytest.raises(ValueError, match="illegal scale .*: choose one of 1, 9, 36, 144, 576"):
        check_scale(scale)


def test_check_scale_follows_the_ladder_it_is_given():
    assert check_scale(4, (1, 4)) == 4
    with pytest.raises(ValueError, match="choose one of 1, 4 "):
        check_scale(9, (1, 4))


@pytest.mark.parametrize(
    ("scale", "stride"), [(576, 1), (144, 2), (36, 4), (9, 8), (1, 24), (64, 3), (16, 6), (4, 12)]
)
def test_pool_stride_is_the_side_over_the_root_of_the_scale(scale, stride):
    assert pool_stride(scale) == stride


def test_pool_stride_refuses_bins_that_do_not_fit():
    with pytest.raises(ValueError, match="choose one of 1, 4, 9, 16, 36, 64, 144, 576"):
        pool_stride(25)


def test_scales_import_without_torch():
    names = "m3_backbone.scales, m3_backbone.flops"
    code = f"import sys; import {names}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
