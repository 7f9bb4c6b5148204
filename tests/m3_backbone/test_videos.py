"""Frames of a video: which, from which kinds of file, and what is refused."""

import pytest
from PIL import Image

from m3_backbone.videos import (
    count_frames,
    decode_frames,
    even_places,
    list_frames,
    load_frames,
)

SHADES = [0, 50, 100, 150, 200, 250]


@pytest.fixture
def frames():
    return [Image.new("RGB", (8, 10), (shade, 0, 0)) for shade in SHADES]


def shades(sampled):
    return [image.getpixel((0, 0))[0] for image in sampled]


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [
        (6, 1, [3]),  # the middle
        (6, 2, [1, 4]),  # the middles of 0..2 and 3..5
        (6, 3, [1, 3, 5]),
        (6, 6, [0, 1, 2, 3, 4, 5]),
        (3, 8, [0, 1, 2]),
        (1000, 4, [125, 375, 625, 875]),
    ],
)
def test_places_are_the_middles_of_equal_stretches(total, count, expected):
    assert even_places(total, count) == expected


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_frames_of_an_animated_file(frames, tmp_path, kind):
    path = tmp_path / f"clip.{kind}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    assert count_frames(path, "clip") == 6
    sampled = load_frames(path, 2)
    assert shades(sampled) == [50, 200]
    assert {(image.mode, image.size) for image in sampled} == {("RGB", (8, 10))}
    assert shades(load_frames(path, 99)) == SHADES


def test_frames_of_a_folder(frames, tmp_path):
    for number, image in enumerate(frames):
        image.save(tmp_path / f"{number:05d}.png")
    (tmp_path / ".hidden").write_text("not a frame")
    assert len(list_frames(tmp_path)) == 6
    assert shades(load_frames(tmp_path, 3)) == [50, 150, 250]


def test_a_still_image_is_a_video_of_one_frame(frames, tmp_path):
    frames[2].save(tmp_path / "still.png")
    assert shades(load_frames(tmp_path / "still.png", 8)) == [100]


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no video at .*gone\.gif"):
        load_frames(tmp_path / "gone.gif", 4)
    with pytest.raises(ValueError, match="holds no frames: expected one image file per frame"):
        load_frames(tmp_path, 4)
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    message = r"clip\.mp4 is not an image that is read .* take the frames out \(ffmpeg -i VIDEO"
    with pytest.raises(ValueError, match=message):
        load_frames(tmp_path / "clip.mp4", 4)
    with pytest.raises(ValueError, match="expected at least 1 frame of a video, got 0"):
        even_places(5, 0)


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_frames_are_decoded_in_one_pass(frames, tmp_path, kind, monkeypatch):
    path = tmp_path / f"clip.{kind}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40, lossless=True)
    opened = []
    open_file = Image.open
    monkeypatch.setattr(Image, "open", lambda *given, **named: _note(open_file(*given, **named)))

    def _note(image):
        opened.append(image)
        return image

    assert shades(decode_frames(path.read_bytes(), "clip", range(6))) == SHADES
    assert len(opened) == 1


def test_a_video_is_bounded_by_the_pixels_of_all_its_frames(frames, tmp_path, monkeypatch):
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:], duration=40)
    (tmp_path / "clip").mkdir()
    for number, image in enumerate(frames):
        image.save(tmp_path / "clip" / f"{number}.png")
    monkeypatch.setattr("m3_backbone.videos.MAX_VIDEO_PIXELS", 480)
    assert len(load_frames(tmp_path / "clip.gif", 6)) == len(load_frames(tmp_path / "clip", 6)) == 6
    monkeypatch.setattr("m3_backbone.videos.MAX_VIDEO_PIXELS", 479)
    message = r"clip.* has 480 pixels in 6 frames: expected at most 479; make it smaller or shorter"
    # A file is refused by its header, for all of it is decoded; of a folder what is taken counts.
    with pytest.raises(ValueError, match=message):
        load_frames(tmp_path / "clip.gif", 1)
    with pytest.raises(ValueError, match=message):
        load_frames(tmp_path / "clip", 6)
    assert len(load_frames(tmp_path / "clip", 5)) == 5


def test_what_a_photo_holds_besides_itself_is_no_frame(frames, tmp_path):
    frames[2].save(tmp_path / "photo.jpg", "MPO", save_all=True, append_images=frames[:1])
    assert len(load_frames(tmp_path / "photo.jpg", 8)) == 1
