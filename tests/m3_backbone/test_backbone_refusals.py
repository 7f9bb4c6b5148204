"""What M3Backbone refuses, and how it says so."""

import pytest
import torch

from m3_backbone.backbone import M3Backbone


@pytest.mark.parametrize("scale", [2, 577, True, 9.0, "9", None])
def test_an_illegal_scale_names_the_legal_ones(backbone, pyramids, scale):
    message = "illegal scale .*: choose one of 1, 9, 36, 144, 576"
    with pytest.raises(ValueError, match=message):
        backbone.generate(pyramids[:1], ["red?"], scale)
    with pytest.raises(ValueError, match=message):
        backbone.generate(pyramids[:1], ["red?"], [scale])
    with pytest.raises(ValueError, match=message):
        backbone.answer_images(pyramids[:1], [["red?"]], scale)


def test_lengths_must_agree(backbone, pyramids):
    with pytest.raises(ValueError, match="as many scales as questions .*: 1, got 2"):
        backbone.generate(pyramids[:1], ["red?"], [1, 9])
    with pytest.raises(ValueError, match="as many pyramids as questions .*: 1, got 3"):
        backbone.generate(pyramids, ["red?"], 1)
    with pytest.raises(ValueError, match="as many pyramids as questions .*: 1, got 3"):
        backbone.answer_images(pyramids, [["red?"]], 1)
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, got 0"):
        backbone.generate(pyramids[:1], ["red?"], 1, batch_size=0)


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question_is_refused(backbone, pyramids, question):
    with pytest.raises(ValueError, match="the question is empty"):
        backbone.generate(pyramids[:1], [question], 1)
    with pytest.raises(ValueError, match="the question is empty"):
        backbone.answer_images(pyramids[:1], [["red?", question]], 1)
    with pytest.raises(ValueError, match="the question is empty"):
        backbone.question_embedding([question])


def test_a_pyramid_must_hold_the_scale(backbone, pyramids):
    short = {scale: level for scale, level in pyramids[0].items() if scale < 100}
    with pytest.raises(ValueError, match="this pyramid has no scale 144, only 1, 9, 36"):
        backbone.generate([short], ["red?"], 144)
    with pytest.raises(ValueError, match="the prompt has room for 9 visual tokens"):
        backbone.generate([{9: pyramids[0][36]}], ["red?"], 9)


def test_a_tower_that_gives_another_grid_is_refused(backbone, images, monkeypatch):
    monkeypatch.setattr(backbone, "grid_side", 12)
    with pytest.raises(ValueError, match=r"gave visual tokens \[576, 32\], expected \[144, 32\]"):
        backbone.encode(images[:1])


def test_a_missing_checkpoint_is_reported():
    with pytest.raises(FileNotFoundError, match="no checkpoint folder at"):
        M3Backbone.from_pretrained("./nowhere")


@pytest.mark.parametrize("scale", [1, 576])
def test_a_pyramid_of_nan_is_refused(backbone, pyramids, scale):
    damaged = {one: level * float("nan") for one, level in pyramids[0].items()}
    with pytest.raises(ValueError, match="the model's outputs are NaN: its weights or settings"):
        backbone.generate([damaged], ["red?"], scale)
    with pytest.raises(ValueError, match="the model's outputs are NaN"):
        backbone.answer_images([pyramids[0], damaged], [["red?"], ["big?"]], scale)


def test_weights_of_nan_are_refused(build_model, build_backbone, images):
    model = build_model()
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    damaged = build_backbone(model)
    [pyramid] = damaged.encode(images[:1])
    with pytest.raises(ValueError, match="the model's outputs are NaN: its weights or settings"):
        damaged.generate([pyramid], ["red?"], 1)
