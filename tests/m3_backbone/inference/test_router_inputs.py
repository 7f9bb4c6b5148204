import numpy as np
import torch

from m3_backbone.inference.router_inputs import average_embeddings, join_coarse_tokens


def test_coarse_tokens_keep_the_order_of_the_scales():
    pyramid = {1: torch.full((1, 2), 7.0), 9: torch.arange(18.0).reshape(9, 2)}
    joined = join_coarse_tokens([pyramid, pyramid], (1, 9), hidden=2)
    assert joined.shape == (2, 10, 2)
    assert joined[1, 0].tolist() == [7, 7]
    assert joined[1, 1:].ravel().tolist() == list(range(18))


def test_of_several_images_a_router_sees_the_mean():
    low, high = ({1: torch.full((1, 2), x), 9: torch.full((9, 2), x)} for x in (1.0, 4.0))
    joined = join_coarse_tokens([[low, high], high, [high]], (1, 9), hidden=2)
    assert [set(row.ravel().tolist()) for row in joined] == [{2.5}, {4.0}, {4.0}]


def test_embeddings_are_averaged_in_float32():
    table = torch.tensor([[0.0, 1.0], [2.0, 5.0], [4.0, 0.0]], dtype=torch.bfloat16)
    means = average_embeddings(table, [[0, 1], [2], [1, 1, 2]])
    assert means.dtype == np.float32
    np.testing.assert_allclose(means, [[1, 3], [4, 0], [8 / 3, 10 / 3]], rtol=1e-6)


def test_nothing_in_nothing_out():
    assert join_coarse_tokens([], (1, 9), hidden=5).shape == (0, 10, 5)
    assert average_embeddings(torch.zeros(4, 5), []).shape == (0, 5)
