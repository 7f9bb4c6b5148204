import numpy as np
import pytest
import torch
from PIL import Image

from m3_backbone.inference.encoding import PreparedImage
from m3_backbone.inference.router_inputs import SQUARES

SIDE = 32


def measure(backbone, pixels, size=(20, 40)):
    values = backbone.image_statistics(PreparedImage(pixels, size))
    return values[:6], values[6:].reshape(len(SQUARES), 2, 2)


def test_a_plain_image_has_its_size_and_brightness_and_nothing_else(backbone):
    whole, edges = measure(backbone, torch.full((3, SIDE, SIDE), 0.25))
    assert whole == pytest.approx([np.log(20), np.log(40), 0.25, 0, 0, 0], abs=1e-6)
    assert not edges.any()


def test_stripes_are_edges_until_they_are_averaged_away(backbone):
    # Columns of -1 and 1 in turn: every step sideways is 2; squares of two by two are all grey.
    stripes = torch.tensor([-1.0, 1.0]).repeat(SIDE // 2).expand(3, SIDE, SIDE)
    whole, edges = measure(backbone, stripes)
    assert whole[2:] == pytest.approx([0, 1, np.log(2), np.log(2)], abs=1e-3)
    assert edges[0] == pytest.approx(np.array([[2, 1], [0, 0]]))
    assert not edges[1:].any()
    turned = measure(backbone, stripes.transpose(1, 2))[1]
    assert turned == pytest.approx(edges[:, ::-1])


def test_an_image_is_measured_as_the_tower_sees_it(backbone):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (30, 50, 3), dtype=np.uint8))
    values = backbone.image_statistics(image)
    assert np.array_equal(values, backbone.image_statistics(backbone.prepare(image)))
    assert values.shape == (26,) and values.dtype == np.float32
    assert values[:2] == pytest.approx(np.log([50, 30]))
    ready = backbone.prepare(image)
    crops = PreparedImage(torch.stack([ready.pixels, ready.pixels * 0]), ready.size)
    assert np.array_equal(values, backbone.image_statistics(crops))
