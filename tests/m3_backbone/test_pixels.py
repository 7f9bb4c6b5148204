"""Images of every mode and format: the right levels upright in RGB, or one line."""

import struct
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from m3_backbone.images import check_image, decode_image
from m3_backbone.pixels import BACKGROUND, FORMATS

Image.init()
WRITTEN = [kind for kind in FORMATS if kind in Image.SAVE]  # old releases have no AVIF
fixed = settings(derandomize=True, deadline=None, max_examples=60)
sides = st.integers(8, 40)


def encode(image, kind, **options):
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(width, height, most):
    """Every row and column another level, from 0 to `most` [height, width]."""
    steps = np.arange(width * height) / (width * height - 1)
    return (steps * most).reshape(height, width)


def levels(image):
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def tiff(values, bits, sample=1, white_is_zero=False):
    """Write a grey TIFF file by hand: unsigned (1), signed (2) or float (3) samples."""
    height, width = values.shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, int(not white_is_zero))]
    data = values.tobytes()
    tags += [(273, 8), (277, 1), (278, height), (279, len(data)), (339, sample)]
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + directory + bytes(4)


DEEP = {
    # name: (numbers up to white, how they become an image or its file)
    "16-bit PNG": (65535, lambda v: encode(Image.fromarray(v.astype(np.uint16)), "PNG")),
    "16-bit TIFF": (65535, lambda v: encode(Image.fromarray(v.astype(np.uint16)), "TIFF")),
    "16-bit JPEG 2000": (
        65535,
        lambda v: encode(Image.fromarray(v.astype(np.uint16)), "JPEG2000", irreversible=False),
    ),
    "12-bit camera": (4095, lambda v: v.astype(np.uint16)),
    "16-bit in memory": (65535, lambda v: Image.fromarray(v.astype(np.uint16))),
    "0 is white": (65535, lambda v: tiff((65535 - v).astype(np.uint16), 16, white_is_zero=True)),
    "32-bit TIFF of 16": (65535, lambda v: encode(Image.fromarray(v.astype(np.int32)), "TIFF")),
    "32-bit TIFF of 8": (255, lambda v: encode(Image.fromarray(v.astype(np.int32)), "TIFF")),
    "32-bit in memory": (65535, lambda v: Image.fromarray(v.astype(np.int32))),
    "floats to 1": (1, lambda v: encode(Image.fromarray(v.astype(np.float32)), "TIFF")),
    "floats to 255": (255, lambda v: encode(Image.fromarray(v.astype(np.float32)), "TIFF")),
    "floats in memory": (1, lambda v: Image.fromarray(v.astype(np.float32))),
}


def twelve_bits(values):
    """Pack pairs of 12-bit numbers into three bytes."""
    height, width = values.shape
    flat = values.reshape(-1, 2).astype(int)
    packed = np.stack(
        [flat[:, 0] >> 4, (flat[:, 0] & 15) << 4 | flat[:, 1] >> 8, flat[:, 1] & 255], axis=1
    )
    content = tiff(np.zeros((height, width), np.uint8), 12)
    # The same directory over other bytes: three for every two of the pixels.
    head = struct.pack("<2sHI", b"II", 42, 8 + packed.size)
    directory = bytearray(content[8 + height * width :])
    at = directory.index(struct.pack("<HH", 279, 4))
    directory[at : at + 12] = struct.pack("<HHII", 279, 4, 1, packed.size)
    return head + packed.astype(np.uint8).tobytes() + bytes(directory)


@fixed
@given(st.sampled_from(sorted(DEEP)), sides, sides)
def test_a_ramp_of_deep_numbers_has_the_levels_of_an_8_bit_one(kind, width, height):
    most, write = DEEP[kind]
    # Rows of a multiple of 8 pixels, so that no row is padded.
    values = ramp(8 * width, height, most)
    written = write(values) if kind != "12-bit camera" else twelve_bits(values)
    read = check_image(written) if isinstance(written, Image.Image) else decode_image(written, "x")
    assert np.abs(levels(read)[..., 0] - ramp(8 * width, height, 255)).max() <= 1
    assert levels(read)[..., 0].min() == 0
    assert levels(read)[..., 0].max() == 255


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((9, 9), -1, np.int32), "from -1 to -1"),
        (np.full((9, 9), 70_000, np.int32), "from 70000 to 70000, .* 0..255 or 0..65535 fits"),
        # Neither 8 nor 16 bits: read as either it would be too bright or nearly black.
        (ramp(9, 9, 4095).astype(np.int32), "from 0 to 4095"),
        (np.full((9, 9), np.nan, np.float32), "from nan to nan"),
        (np.full((9, 9), np.inf, np.float32), "from inf to inf"),
        (np.full((9, 9), 1.5, np.float32), "from 1.5 to 1.5, .* 0..1, 0..255 or 0..65535 fits"),
        (np.full((9, 9), -0.5, np.float32), "from -0.5 to -0.5"),
    ],
)
def test_numbers_without_a_known_range_are_refused(values, reason):
    image = Image.fromarray(values)
    with pytest.raises(ValueError, match=f"photo has numbers {reason}"):
        check_image(image, "photo")
    with pytest.raises(ValueError, match=f"photo has numbers {reason}"):
        decode_image(encode(image, "TIFF"), "photo")


@pytest.mark.parametrize(("kind", "bits"), [(np.int8, 8), (np.int16, 16)])
def test_numbers_with_a_sign_are_refused(kind, bits):
    content = tiff(ramp(9, 9, 100).astype(kind), bits, sample=2)
    with pytest.raises(ValueError, match="x has numbers with a sign"):
        decode_image(content, "x")


COLOURS = ("RGB", "CMYK", "YCbCr", "HSV", "RGBX", "RGBA", "P", "PA", "L", "LA", "1", "LAB")


def colours(width, height):
    red = ramp(width, height, 255)
    return Image.fromarray(np.stack([red, red[::-1], red[:, ::-1]], axis=-1).astype(np.uint8))


def to_mode(image, mode):
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    return image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)


@fixed
@given(st.sampled_from(COLOURS), st.sampled_from([None, *WRITTEN]), sides, sides)
def test_colours_of_every_mode_and_format_are_those_of_rgb(mode, kind, width, height):
    original = colours(width, height)
    image = to_mode(original, mode)
    expected = original if mode == "LAB" else image.convert("RGB")
    try:
        lossy = kind in ("JPEG", "AVIF")
        options = {"quality": 100, "subsampling": "4:4:4"} if lossy else {"lossless": True}
        written = image if kind is None else encode(image, kind, **options)
    except (OSError, ValueError, KeyError):
        return  # a format that has no such mode
    read = check_image(image) if kind is None else decode_image(written, "x")
    difference = np.abs(levels(read) - levels(expected))
    # LAB has too few steps for some colours; JPEG, AVIF and GIF's palette lose some detail.
    assert difference.mean() <= (
        8 if kind in ("JPEG", "AVIF", "GIF") else 4 if mode == "LAB" else 0
    )


@fixed
@given(st.sampled_from(["RGBA", "LA", "RGBa", "La", "P", "PNG", "WEBP", "TIFF"]), sides, sides)
def test_transparent_pixels_show_the_background(kind, width, height):
    share = np.round(ramp(width, height, 255)).astype(np.uint8)
    image = Image.new("RGBA", (width, height), (200, 200, 200))
    image.putalpha(Image.fromarray(share))
    if kind in ("PNG", "WEBP", "TIFF"):
        read = decode_image(encode(image, kind, lossless=True), "x")
    elif kind == "P":
        share = np.where(share < 128, 0, 255)
        palette = Image.fromarray((share > 0).astype(np.uint8)).convert("P")
        palette.putpalette([0, 0, 0, 200, 200, 200])
        palette.info["transparency"] = 0
        read = check_image(palette)
    else:
        straight = image.convert("LA") if kind == "La" else image
        read = check_image(straight.convert(kind))
    opacity = share[..., None] / 255
    expected = 200 * opacity + np.array(BACKGROUND) * (1 - opacity)
    # Premultiplied colours are rounded twice.
    assert np.abs(levels(read) - expected).max() <= (3 if kind in ("RGBa", "La") else 1)


def test_a_transparent_level_of_16_bits_shows_the_background():
    values = ramp(16, 16, 65535).astype(np.uint16)
    values[3] = 500
    read = levels(decode_image(encode(Image.fromarray(values), "PNG", transparency=500), "x"))
    assert (read[3] == BACKGROUND).all()
    assert (read[4:, :, 0] == values[4:] >> 8).all()


def test_opaque_pixels_of_a_converted_palette_keep_their_colour():
    palette = Image.new("P", (9, 9), 1)
    palette.putpalette([10, 20, 30, 10, 20, 30])
    palette.info["transparency"] = 0
    converted = palette.convert("RGB")
    assert converted.info["transparency"] == (10, 20, 30)
    assert (levels(check_image(converted)) == (10, 20, 30)).all()


def oriented(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (40, 24), "black")
    image.paste("white", (0, 0, 20, 12))  # a corner, which shows where the image went
    return encode(image, kind, exif=exif, **({"quality": 100} if kind == "AVIF" else {}))


@pytest.mark.parametrize(
    "kind", [kind for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF") if kind in WRITTEN]
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_in_memory_are_turned_as_files_are(kind, orientation):
    content = oriented(kind, orientation)
    from_file = decode_image(content, "x")
    assert from_file.size == ((40, 24) if orientation < 5 else (24, 40))
    corners = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1)}
    column, row = corners.get(orientation, (0, 1))
    width, height = from_file.size
    assert min(from_file.getpixel((column * (width - 1), row * (height - 1)))) > 200
    assert max(from_file.getpixel(((1 - column) * (width - 1), row * (height - 1)))) < 55
    with Image.open(BytesIO(content)) as image:
        in_memory = check_image(image)
        copied = check_image(image.copy())
    assert in_memory.tobytes() == copied.tobytes() == from_file.tobytes()
    # Once upright it is not turned again.
    assert check_image(in_memory).size == in_memory.size
    assert check_image(from_file) is from_file


PICTURES = {
    "TIFF packed": lambda image: encode(image, "TIFF", compression="tiff_lzw"),
    "TIFF jpeg": lambda image: encode(image, "TIFF", compression="jpeg"),
    "GIF animated": lambda image: encode(image, "GIF", save_all=True, append_images=[image] * 2),
    "PNG exif": lambda image: oriented("PNG", 6),
    "WEBP exif": lambda image: oriented("WEBP", 6),
    "TIFF exif": lambda image: oriented("TIFF", 6),
    **{kind: lambda image, kind=kind: encode(image, kind) for kind in WRITTEN},
}


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data())
def test_damage_is_one_line_and_nothing_else(data):
    kind = data.draw(st.sampled_from(sorted(PICTURES)))
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    content = bytearray(PICTURES[kind](Image.fromarray(noise)))
    where = st.one_of(st.integers(0, min(200, len(content) - 1)), st.integers(0, len(content) - 1))
    for place in data.draw(st.lists(where, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    try:
        assert decode_image(bytes(content[:cut]), "photo").mode == "RGB"
    except ValueError as error:
        message = str(error)
        assert message.startswith("photo ")
        assert "\n" not in message
        assert len(message) < 300


def test_libtiff_does_not_print_what_is_raised(capfd):
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    content = bytearray(encode(Image.fromarray(noise), "TIFF", compression="tiff_lzw"))
    content[100:4000] = bytes(3900)
    with (
        Image.open(BytesIO(bytes(content))) as image,
        pytest.raises(OSError, match="decoder error"),
    ):
        image.load()
    assert "LZW" in capfd.readouterr().err  # so there is something to be silenced
    with pytest.raises(ValueError, match="x is damaged or cut short"):
        decode_image(bytes(content), "x")
    assert capfd.readouterr() == ("", "")


def test_a_warning_of_pillow_is_not_shown(recwarn, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    content = encode(Image.new("L", (40, 40)), "PNG")
    assert decode_image(content, "x").size == (40, 40)
    assert not recwarn.list


def test_what_pillow_logs_is_not_shown_twice(capfd):
    content = bytearray(tiff(ramp(9, 9, 200).astype(np.uint8), 8))
    at = content.index(struct.pack("<HH", 277, 4))
    content[at + 8] = 200  # samples per pixel
    with pytest.raises(ValueError, match="x is not an image that is read here"):
        decode_image(bytes(content), "x")
    assert capfd.readouterr() == ("", "")


def test_formats_that_other_programs_would_read_are_refused():
    kinds = {"EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EndComments\n"}
    kinds["PDF"] = encode(Image.new("RGB", (9, 9)), "PDF")
    kinds["TGA"] = encode(Image.new("RGB", (9, 9)), "TGA")
    for content in kinds.values():
        with pytest.raises(ValueError, match="x is not an image that is read here: AVIF, BMP, GIF"):
            decode_image(content, "x")


def test_a_closed_image_is_one_line(tmp_path):
    Image.new("RGB", (90, 90)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pass
    with pytest.raises(ValueError, match="image is damaged or cut short"):
        check_image(image)
