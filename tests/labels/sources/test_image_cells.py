"""Image cells that hold several pictures, and columns of them."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labels.questions import image_fingerprint, join_fingerprints
from labels.sources import rows
from labels.sources.image_cells import Picture, list_pictures
from labels.sources.rows import ImageColumn

COLOURS = ["red", "green", "blue"]


def paint(colour):
    return Image.new("RGB", (8, 9), colour)


@pytest.fixture
def folder(tmp_path):
    """Three still images, and the same three as frames of a GIF and of a folder."""
    (tmp_path / "frames").mkdir()
    for number, colour in enumerate(COLOURS):
        paint(colour).save(tmp_path / f"{colour}.png")
        paint(colour).save(tmp_path / "frames" / f"{number}.png")
    first, *others = (paint(colour) for colour in COLOURS)
    first.save(tmp_path / "clip.png", save_all=True, append_images=others)
    return tmp_path


def test_a_list_is_all_its_pictures_in_order(folder):
    data = (folder / "blue.png").read_bytes()
    cell = ["red.png", {"bytes": data, "path": None}, "green.png"]
    actual = list_pictures(cell, folder, None, "x")
    assert [picture.read("x") for picture in actual] == [
        (folder / "red.png").read_bytes(),
        data,
        (folder / "green.png").read_bytes(),
    ]


@pytest.mark.parametrize("cell", ["clip.png", "frames"])
def test_a_video_is_its_frames_where_frames_are_asked_for(folder, cell):
    column = ImageColumn([{"image": cell}], "image", folder, frames=2)
    image_id = column.register(0, cell, "x")
    # Of three frames in two stretches, the middles are frames 0 and 2.
    expected = tuple(image_fingerprint(paint(colour)) for colour in ("red", "blue"))
    assert column.joined == {image_id: expected}
    assert [column.load(one).getpixel((0, 0)) for one in expected] == [(255, 0, 0), (0, 0, 255)]


def test_an_animated_file_is_its_first_picture_where_no_frames_are_asked_for(folder):
    column = ImageColumn([{"image": "clip.png"}], "image", folder)
    assert column.register(0, "clip.png", "x") == image_fingerprint(paint("red"))
    assert column.joined == {}


def test_rows_share_pictures_and_the_order_counts(folder):
    cells = [["red.png", "blue.png"], ["blue.png", "red.png"], ["red.png"], "red.png"]
    column = ImageColumn([{"image": cell} for cell in cells], "image", folder)
    ids = [column.register(index, cell, "x") for index, cell in enumerate(cells)]
    red, blue = (image_fingerprint(paint(colour)) for colour in ("red", "blue"))
    assert ids == [join_fingerprints([red, blue]), join_fingerprints([blue, red]), red, red]
    assert ids[0] != ids[1]
    assert column.load(blue).getpixel((0, 0)) == (0, 0, 255)


def test_several_columns_are_one_list(folder):
    pairs = [{"left": "red.png", "right": "blue.png"}]
    column = ImageColumn(pairs, ("left", "right"), folder)
    column.register(0, ["red.png", "blue.png"], "x")
    assert column.load(image_fingerprint(paint("blue"))).getpixel((0, 0)) == (0, 0, 255)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=st.data())
def test_base64_is_read_in_every_form_that_is_in_use(data):
    tail = data.draw(st.binary(min_size=60, max_size=90))
    content = (
        data.draw(st.sampled_from([b"\x89PNG\r\n\x1a\n\0", b"\xff\xd8\xff", b"GIF89a\0"])) + tail
    )
    text = base64.b64encode(content).decode()
    if data.draw(st.booleans()):
        text = base64.urlsafe_b64encode(content).decode()
    if data.draw(st.booleans()):
        text = text.rstrip("=")
    if data.draw(st.booleans()):
        text = "\n".join(text[at : at + 19] for at in range(0, len(text), 19))
    if data.draw(st.booleans()):
        word = data.draw(st.sampled_from(["data:image/png;base64,", "DATA:image/PNG;Base64,"]))
        word = word.replace(";", data.draw(st.sampled_from([";", ";charset=utf-8;"])))
        text = word + (quote(text) if data.draw(st.booleans()) else text)
    assert list_pictures(text, Path(), None, "x") == [Picture(content)]


@pytest.mark.parametrize("cell", ["data:image/png;base64,***", "data:text/plain;base64,QUJD"])
def test_a_data_uri_of_no_image_is_no_path(folder, cell):
    with pytest.raises(ValueError, match="x: expected an image .* or base64, got 'data:"):
        list_pictures(cell, folder, None, "x")


def test_cells_without_a_picture_are_refused(folder):
    with pytest.raises(ValueError, match="sample 'q1': expected at least one image, got an empty"):
        list_pictures([], folder, None, "sample 'q1'")
    with pytest.raises(ValueError, match="sample 'q1': expected an image .* got int"):
        list_pictures(["red.png", 3], folder, None, "sample 'q1'")
    (folder / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(ValueError, match="sample 'q1': the video is not an image that is read"):
        list_pictures("clip.mp4", folder, 4, "sample 'q1'")
    with pytest.raises(FileNotFoundError, match="sample 'q1': there is no image file .*gone.gif"):
        list_pictures("gone.gif", folder, 4, "sample 'q1'")


def test_an_image_in_memory_is_a_picture_as_its_file_is(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    paint("red").save(folder / "turned.jpg", exif=exif, quality=100)
    with Image.open(folder / "turned.jpg") as lazy:
        cells = [{"image": lazy}, {"image": "turned.jpg"}]
        column = ImageColumn(cells, "image", folder)
        ids = [column.register(index, row["image"], "x") for index, row in enumerate(cells)]
    assert ids[0] == ids[1]
    assert column.load(ids[0]).size == (9, 8)


def test_the_frames_of_a_video_are_decoded_in_one_pass(folder, monkeypatch):
    passes = []
    decode = rows.decode_frames
    monkeypatch.setattr(
        rows, "decode_frames", lambda *given: passes.append(given[2]) or decode(*given)
    )
    column = ImageColumn([{"image": "clip.png"}] * 2, "image", folder, frames=3)
    assert column.register(0, "clip.png", "x") == column.register(1, "clip.png", "x")
    assert passes == [(0, 1, 2)]
    [ids] = column.joined.values()
    assert [column.load(one).getpixel((0, 0)) for one in ids] == [
        paint(colour).getpixel((0, 0)) for colour in COLOURS
    ]
    assert passes == [(0, 1, 2)] * 2
