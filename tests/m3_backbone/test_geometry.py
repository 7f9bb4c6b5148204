import pytest
from transformers import SiglipVisionConfig

from m3_backbone import geometry
from m3_backbone.cost import LanguageShape, VisionShape
from m3_backbone.scales import TOKEN_SCALES


@pytest.fixture
def config(backbone):
    return type(backbone.model.config)(**backbone.model.config.to_dict())


def test_the_grid_comes_from_image_and_patch_size(config):
    assert geometry.grid_side(config) == 96 // 4


def test_a_tower_without_a_class_token_keeps_every_patch(config):
    config.vision_config = SiglipVisionConfig(image_size=64, patch_size=4)
    config.vision_feature_select_strategy = "full"
    assert geometry.grid_side(config) == 16
    assert geometry.trained_scales(config) == (1, 4, 16, 64, 256)


def test_keeping_the_class_token_makes_no_square(config):
    config.vision_feature_select_strategy = "full"
    with pytest.raises(ValueError, match="square grid, but select strategy 'full' gives 577"):
        geometry.grid_side(config)


@pytest.mark.parametrize(("size", "patch"), [((96, 64), 4), (96, 5), (96, (4, 8))])
def test_sides_that_differ_or_leave_a_rest_make_no_square(config, size, patch):
    config.vision_config.image_size = size
    config.vision_config.patch_size = patch
    with pytest.raises(ValueError, match="must form a square grid: image size .* gives none"):
        geometry.grid_side(config)


def test_scales_are_those_the_checkpoint_names(config):
    assert geometry.trained_scales(config) == TOKEN_SCALES
    config.matryoshka_vis_token_scale = [576, 64, 1, 64]
    assert geometry.trained_scales(config) == (1, 64, 576)


def test_a_named_scale_must_fit_the_grid(config):
    config.matryoshka_vis_token_scale = [1, 10]
    with pytest.raises(ValueError, match="illegal scale 10: choose one of 1, 4, 9"):
        geometry.trained_scales(config)


def test_shapes_are_read_off_the_configuration(config):
    # Four heads of width 8 for the queries, two for keys and values.
    assert geometry.language_shape(config) == LanguageShape(
        layers=2, hidden=32, intermediate=64, vocab=128, query_width=32, key_value_width=16
    )
    assert geometry.vision_shape(config) == VisionShape(
        layers=2,
        hidden=32,
        intermediate=48,
        patches=576,
        patch_values=3 * 16,
        extra_tokens=1,
        projected=32,
    )
