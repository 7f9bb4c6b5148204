import pytest
from transformers import LlavaNextConfig, PixtralVisionConfig, SiglipVisionConfig

from m3_backbone.flops import LanguageShape, VisionShape
from m3_backbone.hosts import config as hosts_config
from m3_backbone.scales import TOKEN_SCALES


@pytest.fixture
def config(backbone):
    return type(backbone.model.config)(**backbone.model.config.to_dict())


def test_the_grid_comes_from_image_and_patch_size(config):
    assert hosts_config.grid_side(config) == 96 // 4


def test_a_tower_without_a_class_token_keeps_every_patch(config):
    config.vision_config = SiglipVisionConfig(image_size=64, patch_size=4)
    config.vision_feature_select_strategy = "full"
    assert hosts_config.grid_side(config) == 16
    assert hosts_config.trained_scales(config) == (1, 4, 16, 64, 256)


def test_keeping_the_class_token_makes_no_square(config):
    config.vision_feature_select_strategy = "full"
    with pytest.raises(ValueError, match="square grid, but select strategy 'full' gives 577"):
        hosts_config.grid_side(config)


@pytest.mark.parametrize(("size", "patch"), [((96, 64), 4), (96, 97), (96, (4, 8))])
def test_sides_that_differ_make_no_square(config, size, patch):
    config.vision_config.image_size = size
    config.vision_config.patch_size = patch
    with pytest.raises(ValueError, match="must form a square grid: image size .* gives none"):
        hosts_config.grid_side(config)


def test_a_tower_of_another_family_is_refused(config):
    config.vision_config = PixtralVisionConfig(image_size=64, patch_size=4)
    with pytest.raises(ValueError, match="tower is of type 'pixtral', expected one of clip_vision"):
        hosts_config.grid_side(config)


def test_a_grid_of_nothing_is_refused(config):
    config.vision_config = SiglipVisionConfig(image_size=8, patch_size=8)
    with pytest.raises(ValueError, match="square grid, but select strategy 'default' gives 0"):
        hosts_config.grid_side(config)


def test_scales_are_those_the_checkpoint_names(config):
    assert hosts_config.trained_scales(config) == TOKEN_SCALES
    config.matryoshka_vis_token_scale = [576, 64, 1, 64]
    assert hosts_config.trained_scales(config) == (1, 64, 576)


def test_a_named_scale_must_fit_the_grid(config):
    config.matryoshka_vis_token_scale = [1, 10]
    with pytest.raises(ValueError, match="illegal scale 10: choose one of 1, 4, 9"):
        hosts_config.trained_scales(config)


def test_shapes_are_read_off_the_configuration(config):
    # Four heads of width 8 for the queries, two for keys and values.
    assert hosts_config.language_shape(config) == LanguageShape(
        layers=2, hidden=32, intermediate=64, vocab=128, query_width=32, key_value_width=16
    )
    assert hosts_config.vision_shape(config) == VisionShape(
        layers=2,
        hidden=32,
        intermediate=48,
        patches=576,
        patch_values=3 * 16,
        extra_tokens=1,
        projected=32,
    )


def make_next(config, **changes):
    return LlavaNextConfig(
        vision_config=config.vision_config, text_config=config.text_config, **changes
    )


def test_a_plain_llava_sees_one_crop(config):
    assert hosts_config.crop_layout(config) is None


def test_crops_are_read_off_the_configuration(config):
    cut = make_next(
        config,
        image_grid_pinpoints=[[96, 192], [192, 96]],
        mm_patch_merge_type="flat",
        matryoshka_vis_token_scale=[576, 9, 1],
    )
    layout = hosts_config.crop_layout(cut)
    assert (layout.crop_side, layout.merge) == (96, "flat")
    # Height first in the configuration, width first here.
    assert layout.resolutions == ((192, 96), (96, 192))
    assert hosts_config.grid_side(cut) == 24
    assert hosts_config.trained_scales(cut) == (1, 9, 576)
    assert hosts_config.vision_shape(cut) == hosts_config.vision_shape(config)
    assert hosts_config.language_shape(cut) == hosts_config.language_shape(config)


def test_without_a_merge_type_crops_are_merged_as_transformers_does(config):
    config.vision_config.image_size = 336
    assert hosts_config.crop_layout(make_next(config)).merge == "spatial_unpad"


def test_grids_that_are_no_whole_crops_are_refused(config):
    with pytest.raises(ValueError, match="a grid of 100x96 pixels does not consist of whole crops"):
        hosts_config.crop_layout(make_next(config, image_grid_pinpoints=[[96, 100]]))


@pytest.mark.parametrize("grid", ["(1x2)", [96], [96, "192"], 96, [96, 96, 96]], ids=str)
def test_grids_that_are_no_pairs_are_refused(config, grid):
    with pytest.raises(ValueError, match="image_grid_pinpoints must be pairs of height and width"):
        hosts_config.crop_layout(make_next(config, image_grid_pinpoints=[grid]))
