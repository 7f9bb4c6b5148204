from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from m3_backbone.images import check_image, check_size, decode_image, load_image


@pytest.fixture
def noise():
    values = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return Image.fromarray(values)


def test_a_png_comes_back_as_it_was_saved(noise, tmp_path):
    noise.save(tmp_path / "a.png")
    loaded = load_image(tmp_path / "a.png")
    assert loaded.mode == "RGB"
    assert loaded.tobytes() == noise.tobytes()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_other_modes_become_rgb(noise, tmp_path, mode):
    noise.convert(mode).save(tmp_path / "a.png")
    assert load_image(str(tmp_path / "a.png")).mode == "RGB"
    assert check_image(noise.convert(mode)).mode == "RGB"


def test_a_photo_is_turned_upright(noise, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    noise.save(tmp_path / "a.jpg", exif=exif)
    assert load_image(tmp_path / "a.jpg").size == (40, 60)


def test_rgb_in_memory_is_passed_on_untouched(noise):
    assert check_image(noise) is noise


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no image file at .*nothing\.png"):
        load_image(tmp_path / "nothing.png")
    with pytest.raises(FileNotFoundError, match="^no image file at data:image/png") as caught:
        load_image("data:image/png;base64," + "A" * 5000)
    assert len(str(caught.value)) < 400


def test_a_text_file_is_no_image(tmp_path):
    (tmp_path / "a.png").write_text("hello, I am text")
    with pytest.raises(ValueError, match=r"a\.png is not an image"):
        load_image(tmp_path / "a.png")


def test_an_empty_file_is_no_image(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match="is not an image"):
        load_image(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "gif", "webp", "tiff"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_truncated_file_is_refused(noise, tmp_path, kind, share):
    path = tmp_path / f"a.{kind}"
    noise.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=rf"a\.{kind} is (damaged or cut short|not an image)"):
        load_image(path)


def test_a_truncated_image_in_memory_is_refused(noise, tmp_path):
    path = tmp_path / "a.png"
    noise.save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with Image.open(path) as lazy, pytest.raises(ValueError, match="photo is damaged or cut short"):
        check_image(lazy, "photo")


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((1, 1), "is 1x1 pixels: each side must be at least 8"),
        ((7, 500), "is 7x500 pixels: each side must be at least 8"),
        ((30000, 20), "is 30000x20 pixels: each side may be at most 16384"),
        ((1000, 9), "is 1000x9 pixels: the longer side may be at most 100 times the shorter"),
    ],
)
def test_odd_sizes_are_refused_before_decoding(tmp_path, size, reason):
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=rf"a\.png {reason}"):
        load_image(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"image {reason}"):
        check_image(Image.new("RGB", size))


def test_sizes_at_the_limits_pass():
    check_size((8, 8))
    check_size((16384, 164))
    check_size((8, 800))


def test_more_pixels_than_can_be_decoded_safely(noise, tmp_path, monkeypatch):
    noise.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses twice as many
    with pytest.raises(ValueError, match=r"a\.png has too many pixels"):
        load_image(tmp_path / "a.png")


def test_what_is_no_image_object_is_refused():
    with pytest.raises(ValueError, match="expected a PIL image .*, got str"):
        check_image("a.png")


def encode(image, kind="PNG", **options):
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


RED = Image.new("RGB", (10, 12), "red")


def test_decode_turns_the_image_upright():
    exif = Image.Exif()
    exif[274] = 6  # orientation: rotate by a quarter turn
    assert decode_image(encode(RED, "JPEG", exif=exif), "x").size == (12, 10)


def test_decode_gives_rgb():
    assert decode_image(encode(Image.new("P", (9, 9))), "x").mode == "RGB"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"just some text in a file named .png", "x is not an image that is read here"),
        (encode(Image.effect_noise((64, 64), 90))[:2000], "x is damaged or cut short"),
        (encode(Image.new("RGB", (1, 1))), "x is 1x1 pixels: each side must be at least 8"),
        (encode(Image.new("L", (30000, 20))), "x is 30000x20 pixels"),
    ],
)
def test_decode_refuses_bad_images(data, message):
    with pytest.raises(ValueError, match=message):
        decode_image(data, "x")


def test_decode_refuses_a_bomb(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    message = "x has too many pixels to be decoded safely: .*decompression bomb"
    with pytest.raises(ValueError, match=message):
        decode_image(encode(RED), "x")
