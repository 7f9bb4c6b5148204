import pytest
import torch
from PIL import Image

from m3_backbone.images import load_image
from m3_backbone.inference.encoding import encode_images
from m3_backbone.inference.execution import evaluating


@pytest.fixture
def passes(backbone):
    """Rows in every call of the vision tower."""
    rows = []
    hook = backbone.model.model.vision_tower.register_forward_hook(
        lambda module, args, kwargs, output: rows.append(len(output.last_hidden_state)),
        with_kwargs=True,
    )
    yield rows
    hook.remove()


def encode(backbone, images, batch_size=16):
    return encode_images(
        backbone.model, backbone._host, backbone.image_processor, images, batch_size
    )


def test_tokens_are_those_of_the_stock_model(backbone, images):
    pixels = backbone.image_processor(images=images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        stock = backbone.model.get_image_features(pixels, return_dict=True).pooler_output
    for actual, expected in zip(encode(backbone, images), stock, strict=True):
        assert torch.equal(actual, expected)


def test_each_distinct_image_is_seen_once(backbone, images, passes):
    a, b, c = images
    tokens = encode(backbone, [a, b, a.copy(), c, b])
    assert passes == [3]
    assert tokens[0] is tokens[2]
    assert tokens[1] is tokens[4]
    assert not torch.equal(tokens[0], tokens[3])


def test_batches_hold_at_most_batch_size_images(backbone, images, passes):
    tokens = encode(backbone, images, batch_size=2)
    assert passes == [2, 1]
    for actual, alone in zip(tokens, images, strict=True):
        torch.testing.assert_close(actual, encode(backbone, [alone])[0], atol=1e-4, rtol=1e-5)


def test_equal_pixels_of_another_shape_are_another_image(backbone, images, passes):
    wide = Image.new("RGB", (40, 20), "red")
    encode(backbone, [wide, wide.transpose(Image.Transpose.ROTATE_90)])
    assert passes == [2]


def test_no_image_no_pass(backbone, passes):
    assert encode(backbone, []) == []
    assert passes == []


def test_a_bad_image_is_named_before_anything_is_encoded(backbone, images, passes):
    with pytest.raises(ValueError, match="image 1 is 1x1 pixels"):
        backbone.encode([images[0], images[0].resize((1, 1))])
    assert passes == []


def test_a_batch_holds_something(backbone, images):
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, got 0"):
        encode(backbone, images, batch_size=0)


def test_a_model_in_training_is_left_in_training():
    model = torch.nn.Dropout()
    with evaluating(model):
        assert not model.training
        assert not torch.is_grad_enabled()
    assert model.training
    assert torch.is_grad_enabled()


def test_an_opened_photo_is_turned_as_its_file_is(backbone, images, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    images[0].save(tmp_path / "lying.jpg", exif=exif)
    with Image.open(tmp_path / "lying.jpg") as opened:
        in_memory, from_file = backbone.encode([opened, load_image(tmp_path / "lying.jpg")])
        assert torch.equal(in_memory[576], from_file[576])
        assert torch.equal(backbone.encode([backbone.prepare(opened)])[0][576], from_file[576])


@pytest.mark.parametrize("size", [{"height": 64, "width": 64}, {"shortest_edge": 96}])
def test_pixels_of_another_grid_are_refused(backbone, tiny_llava, size):
    processor = tiny_llava.image_processor()
    processor.size = size
    image = Image.new("RGB", (50, 80))
    with pytest.raises(ValueError, match=r"makes images of \d+x\d+ pixels, the vision tower sees"):
        encode_images(backbone.model, backbone._host, processor, [image], 1)
