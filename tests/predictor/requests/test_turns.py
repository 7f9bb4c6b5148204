import io

import numpy as np
import pytest
from PIL import Image

from predictor.requests.turns import Turn

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encode(image, kind="PNG"):
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


def test_an_image_is_the_same_whatever_it_comes_as(tmp_path):
    image = Image.fromarray(PIXELS)
    path = tmp_path / "x.png"
    path.write_bytes(encode(image))
    content = path.read_bytes()
    sources = (image, content, bytearray(content), path, str(path), PIXELS, PIXELS[::-1][::-1])
    turn = Turn("user", "what?", sources)
    assert turn.pictures[0] is image
    for picture in turn.pictures:
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture), PIXELS)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (b"no image", "image 0 is not an image that is read here"),
        (encode(Image.fromarray(PIXELS))[:99], "image 0 is damaged or cut short"),
        (Image.new("RGB", (4, 4)), "image 0 is 4x4 pixels"),
        (PIXELS[:, :, 0], r"image 0: expected an array \[h, w, 3\] of uint8, got \[20, 30\]"),
        (PIXELS / 255, r"image 0: expected an array .*, got \[20, 30, 3\] of float64"),
        (PIXELS[:0], "image 0 is 30x0 pixels"),
        (7, "image 0: expected a PIL image, .*, got int"),
        (None, "image 0: expected a PIL image, .*, got NoneType"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_image_is_refused(image, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        Turn("user", "what?", (image,))


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="image 0 has too many pixels to be decoded safely"):
        Turn("user", "what?", (encode(Image.fromarray(PIXELS)),))


def test_a_path_that_leads_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image file at"):
        Turn("user", "what?", (tmp_path / "x.png",))


@pytest.mark.parametrize(
    ("role", "text", "images", "told"),
    [
        ("tool", "a", (), "a role must be system, user or assistant, got 'tool'"),
        (None, "a", (), "a role must be system, user or assistant, got None"),
        ("user", " \n", (), "the question is empty: expected some text, got"),
        ("system", "", (), "the system turn is empty"),
        ("user", 5, (), "the question must be text, got 5"),
        ("assistant", "\ud800", (), "the answer is no whole text"),
        ("assistant", "a", (PIXELS,), "only a user shows images, not the assistant"),
        ("user", "a", PIXELS, "images must be a list, got ndarray"),
    ],
    ids=str,
)
def test_what_nobody_could_say_is_refused(role, text, images, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        Turn(role, text, images)


@pytest.mark.parametrize("said", ["", " ", "\n"])
def test_a_model_may_have_said_nothing(said):
    assert Turn("assistant", said).text == said
