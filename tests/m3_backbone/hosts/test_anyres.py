import json

import numpy as np
import pytest

from m3_backbone.hosts.anyres import (
    CropLayout,
    Window,
    best_resolution,
    count_crops,
    count_visual_tokens,
    tile_grid,
    unpadded_window,
)

RESOLUTIONS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))
SCALES = (576, 144, 36, 9, 1)

# What the official code gives: image, grid, crops, tokens of flat and spatial, of spatial_unpad.
OFFICIAL = [
    ((640, 640), (672, 672), 5, (2880, 720, 180, 45, 5), (2928, 744, 192, 51, 7)),
    ((800, 600), (672, 672), 5, (2880, 720, 180, 45, 5), (2340, 594, 166, 37, 7)),
    ((1000, 400), (1008, 336), 4, (2304, 576, 144, 36, 4), (2040, 516, 138, 33, 5)),
    ((336, 336), (336, 672), 3, (1728, 432, 108, 27, 3), (1176, 300, 78, 25, 5)),
    ((300, 200), (336, 672), 3, (1728, 432, 108, 27, 3), (976, 248, 64, 17, 1)),
    # Rounding to seven digits instead of cutting off would change one count of each of these.
    ((1323, 588), (1008, 336), 4, (2304, 576, 144, 36, 4), (1896, 468, 126, 33, 5)),
    ((346, 865), (336, 1008), 4, (2304, 576, 144, 36, 4), (2076, 534, 134, 37, 7)),
    ((294, 49), (336, 672), 3, (1728, 432, 108, 27, 3), (676, 170, 36, 9, 1)),
]


def layout(merge, resolutions=RESOLUTIONS, crop_side=336):
    return CropLayout(crop_side, resolutions, merge)


@pytest.mark.parametrize(("size", "grid", "crops", "padded", "unpadded"), OFFICIAL, ids=str)
def test_grids_crops_and_counts_are_the_official_ones(size, grid, crops, padded, unpadded):
    assert best_resolution(size, RESOLUTIONS) == grid
    assert count_crops(size, layout("flat")) == crops
    for merge, expected in (("flat", padded), ("spatial", padded), ("spatial_unpad", unpadded)):
        numbers = [count_visual_tokens(size, scale, layout(merge)) for scale in SCALES]
        assert numbers == list(expected)


@pytest.mark.parametrize("variant", ["next_spatial", "next_unpad"])
def test_counts_of_odd_sizes_are_the_official_ones(variant, find_golden):
    folder = find_golden(variant, "outputs.npz")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert [tuple(grid) for grid in config["image_grid_pinpoints"]] == list(RESOLUTIONS)
    cut = layout(config["mm_patch_merge_type"])
    outputs = np.load(folder / "outputs.npz")
    sizes = [(width, height) for width, height in outputs["counts_sizes"].tolist()]
    assert len(sizes) == 25
    grids = [list(best_resolution(size, RESOLUTIONS)) for size in sizes]
    assert grids == outputs["counts_best_resolution"].tolist()
    assert [count_crops(size, cut) for size in sizes] == outputs["counts_n_crops"].tolist()
    counts = [
        [count_visual_tokens(size, scale, cut) for scale in outputs["scales"].tolist()]
        for size in sizes
    ]
    assert counts == outputs["counts_n_visual"].tolist()


def test_of_equally_good_grids_the_first_is_taken():
    assert best_resolution((300, 300), ((336, 672), (672, 336))) == (336, 672)
    assert best_resolution((300, 300), ((672, 336), (336, 672))) == (672, 336)
    # Both keep all 300 x 300 pixels; the second wastes less.
    assert best_resolution((300, 300), ((672, 672), (672, 336))) == (672, 336)


def test_tiles_are_counted_across_and_down():
    assert tile_grid((1000, 400), layout("flat")) == (3, 1)
    assert tile_grid((400, 1000), layout("flat")) == (1, 3)


def test_the_window_leaves_out_padding_on_both_sides():
    # 2:1 in a map of 10x10: 5 rows are the image, 5 // 2 go on either side.
    assert unpadded_window((200, 100), 10, 10) == Window(2, 8, 0, 10)
    assert unpadded_window((100, 200), 10, 10) == Window(0, 10, 2, 8)
    assert unpadded_window((100, 100), 10, 10) == Window(0, 10, 0, 10)
    # 20:1 in a map of 2x2: int(0.1) rows are left.
    assert unpadded_window((200, 10), 2, 2) == Window(1, 1, 0, 2)


def test_without_crops_an_image_has_as_many_tokens_as_the_scale():
    assert count_crops((640, 480), None) == 1
    assert count_visual_tokens((640, 480), 36, None) == 36


def test_unknown_merge_types_and_broken_grids_are_refused():
    with pytest.raises(ValueError, match="unknown merge type 'unpad': choose one of flat, spatial"):
        layout("unpad")
    with pytest.raises(ValueError, match="grid of 336x500 pixels does not consist of whole crops"):
        layout("flat", ((336, 500),))
    with pytest.raises(ValueError, match="at least one grid resolution"):
        layout("flat", ())
