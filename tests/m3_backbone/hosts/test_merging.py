import pytest
import torch

from m3_backbone.hosts.anyres import CropLayout, count_visual_tokens
from m3_backbone.hosts.llava_next import build_crop_pyramid, merge_crops

WIDE = (40, 20)  # two tiles side by side
SIZES = [(40, 20), (20, 40), (40, 40), (33, 21), (90, 10), (8, 39), (37, 40)]
NEWLINE = torch.tensor([-1.0])


def layout(merge):
    return CropLayout(20, ((40, 20), (20, 40), (40, 40)), merge)


def crops(*starts):
    """2x2 tokens a crop, numbered from its start on."""
    return torch.stack([torch.arange(4.0)[:, None] + start for start in starts])


def merged(merge, tokens, size=WIDE):
    return merge_crops(tokens, size, layout(merge), NEWLINE)[:, 0].int().tolist()


def test_flat_reads_crop_after_crop():
    assert merged("flat", crops(0, 10, 20)) == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]


def test_spatial_reads_rows_across_tiles():
    assert merged("spatial", crops(0, 10, 20)) == [0, 1, 2, 3, 10, 11, 20, 21, 12, 13, 22, 23]
    # Tiles on top of one another are read one after the other either way.
    tall = [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert merged("spatial", crops(0, 10, 20), (20, 40)) == tall


def test_four_tiles_come_row_by_row():
    sequence = merged("spatial", crops(0, 10, 20, 30, 40), (40, 40))
    assert sequence[4:8] == [10, 11, 20, 21]
    assert sequence[-4:] == [32, 33, 42, 43]


def test_unpadding_ends_each_row_with_a_newline():
    sequence = merged("spatial_unpad", crops(0, 10, 20))
    assert sequence == [0, 1, 2, 3, 10, 11, 20, 21, -1, 12, 13, 22, 23, -1]


def test_unpadding_drops_rows_and_columns_of_padding():
    # 40x10 in 2x4 tokens: one row would be left, (2 - 1) // 2 = 0 rows go.
    assert len(merged("spatial_unpad", crops(0, 10, 20), (40, 10))) == 4 + 2 * 5
    # 10x40 in 4x2 tokens of two tiles in a column: one column of two, again none goes.
    assert len(merged("spatial_unpad", crops(0, 10, 20), (10, 40))) == 4 + 4 * 3
    # 90x10 in a map of 2x4: no row is left, only the base crop.
    assert merged("spatial_unpad", crops(0, 10, 20), (90, 10)) == [0, 1, 2, 3]


@pytest.mark.parametrize("merge", ["flat", "spatial", "spatial_unpad"])
def test_an_image_of_one_crop_is_its_base(merge):
    newline = [-1] if merge == "spatial_unpad" else []
    assert merged(merge, crops(5)) == [5, 6, 7, 8, *newline]


def test_the_number_of_crops_must_fit_the_size():
    with pytest.raises(ValueError, match="an image of 40x20 pixels has 3 crops, got tokens of 2"):
        merged("flat", crops(0, 1))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("merge", ["flat", "spatial", "spatial_unpad"])
def test_pyramids_have_the_tokens_that_are_counted(merge, size):
    cut = layout(merge)
    number = count_visual_tokens(size, 1, CropLayout(20, cut.resolutions, "flat"))
    tokens = torch.arange(number * 64.0).reshape(number, 64, 1)
    pyramid = build_crop_pyramid(tokens, (1, 4, 16, 64), size, cut, NEWLINE)
    for scale, level in pyramid.items():
        assert len(level) == count_visual_tokens(size, scale, cut)
        base = tokens[0].reshape(8, 8)[: 8 // int(scale**0.5), : 8 // int(scale**0.5)].mean()
        assert level[0, 0] == base


def test_crops_are_pooled_before_they_are_merged():
    tokens = torch.stack([torch.full((4, 1), value) for value in (1.0, 2.0, 3.0)])
    tokens[1, 0] = 6.0
    pyramid = build_crop_pyramid(tokens, (1, 4), WIDE, layout("spatial"), NEWLINE)
    assert pyramid[1][:, 0].tolist() == [1, 3, 3]
    sampled = build_crop_pyramid(tokens, (1,), WIDE, layout("spatial"), NEWLINE, "spatial")
    assert sampled[1][:, 0].tolist() == [1, 6, 3]
