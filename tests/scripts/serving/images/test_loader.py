"""Images of requests: opened within bounds, or refused in one line."""

import asyncio
import base64
import io
import os
import struct
import threading
import zlib

import anyio
import pytest
from PIL import Image

from m3_backbone.data_uris import write_data_uri
from m3_backbone.images import decode_image
from scripts.serving.errors import ApiError
from scripts.serving.images.loader import ImageLoader
from scripts.serving.images.remote import RemoteImages


def open_one(url, max_pixels=10_000):
    loader = ImageLoader(max_pixels, RemoteImages([], 1000))
    return asyncio.run(loader.load(url, "messages.0.content.1.image_url"))


def test_an_image_is_opened_upright_and_in_rgb():
    image = Image.new("L", (40, 20), 200)
    exif = image.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    url = f"DATA:Image/PNG;name=x;base64,{base64.b64encode(file.getvalue()).decode()}"
    opened = open_one(url)
    assert (opened.mode, opened.size) == ("RGB", (20, 40))


def write_tile(side):
    """A TIFF of 64x64 pixels with one tile of `side`."""
    content = zlib.compress(bytes(side * side))
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side}
    tags |= {324: 8 + 2 + 12 * 10 + 4, 325: len(content)}
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    file = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + rows + bytes(4) + content
    assert decode_image(file, "tile").size == (64, 64)
    return f"data:image/tiff;base64,{base64.b64encode(file).decode()}"


Image.init()
OTHERS = [kind for kind in ("AVIF", "BMP", "JPEG2000", "PPM", "TIFF") if kind in Image.SAVE]


@pytest.mark.parametrize("kind", OTHERS)
def test_formats_that_do_not_say_what_decoding_takes_are_refused(kind):
    with pytest.raises(ApiError, match="not an image that is read here: GIF, JPEG, PNG or WEBP"):
        open_one(write_data_uri(Image.new("RGB", (64, 64)), kind))


@pytest.mark.parametrize("kind", ["GIF", "JPEG", "PNG", "WEBP"])
def test_formats_of_the_openai_api_are_opened(kind):
    assert open_one(write_data_uri(Image.new("RGB", (64, 64)), kind)).size == (64, 64)


def write_bomb(width, height):
    """A PNG of a few bytes that says it is huge."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def save_jpeg(side=64):
    """A progressive JPEG, and where its last scan begins."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((side, side)).save(file, "JPEG", progressive=True)
    return file.getvalue(), file.getvalue().rindex(b"\xff\xda")


def open_jpeg(content):
    return open_one(f"data:image/jpeg;base64,{base64.b64encode(content).decode()}")


@pytest.mark.parametrize(
    "between", [b"", b"\xff\xfe\0\4\xff\xd9", b"\xff" * 9, b"\xff\xd0"], ids=repr
)
def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded(between):
    whole, last = save_jpeg()
    content = whole[:last] + (between + whole[last:-2]) * 100 + whole[-2:]
    assert decode_image(content, "scans").size == (64, 64)
    with pytest.raises(ApiError, match="a JPEG of more than 50 scans") as caught:
        open_jpeg(content)
    assert caught.value.code == "invalid_image"
    few = whole[:last] + (between + whole[last:-2]) * 20 + whole[-2:]
    assert open_jpeg(few).size == (64, 64)


def test_only_scans_of_the_image_itself_are_counted():
    whole, last = save_jpeg()
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + 400) + b"\xff\xda\0\2" * 100
    video = b"\xff\xda\0\2" * 1000  # as phones put behind a picture
    assert open_jpeg(whole[:2] + thumbnail + whole[2:] + video).size == (64, 64)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (write_data_uri(Image.new("RGB", (101, 100))), "may have 0.01 million together"),
        (write_bomb(10_000, 10_000), "has 10000x10000 pixels"),
        (write_bomb(2**31 - 1, 2**31 - 1), "pixels"),
        (write_tile(256), "not an image that is read here"),
        (write_bomb(90, 90), "damaged or cut short"),
        (write_data_uri(Image.new("RGB", (4, 4))), "each side must be at least 8"),
        (write_data_uri(Image.new("RGB", (64, 64)))[:-30] + "====", "damaged"),
        ("data:image/png;base64,####", "its base64 is damaged"),
        ("data:image/png;base64,\u00e9", "its base64 is damaged"),
        ("data:image/png;base64,", "is not an image"),
        ("data:image/png,rawbytes", "expected data:image/...;base64"),
        ("data:text/html;base64,PGI+", "expected data:image/...;base64"),
        ("data:", "expected data:image/...;base64"),
        ("http://8.8.8.8/x.png", "images are not fetched here"),
        ("file:///etc/passwd", "images are not fetched here"),
    ],
)  # fmt: skip
def test_what_is_no_image_within_bounds_is_refused(url, why):
    with pytest.raises(ApiError, match=why) as caught:
        open_one(url)
    assert caught.value.status_code == 400
    assert caught.value.param == "messages.0.content.1.image_url"
    assert "\n" not in caught.value.detail


def test_who_does_not_wait_leaves_at_once_and_its_thread_stays_taken(monkeypatch):
    begun, go = [], threading.Event()
    loader = ImageLoader(10_000, RemoteImages([], 1000))
    monkeypatch.setattr(loader, "_decode", lambda url, *_: begun.append(url) or go.wait(10))
    threads = os.cpu_count()

    async def leave(url):
        with anyio.move_on_after(0.2) as scope:
            await loader.load(url, "image")
        assert scope.cancelled_caught

    async def run():
        async with asyncio.timeout(5):
            await asyncio.gather(*(leave(f"data:{number}") for number in range(threads)))
            await leave("data:queued")  # left before a thread was free: never decoded
            go.set()
            await loader.load("data:last", "image")

    asyncio.run(run())
    assert sorted(begun) == sorted([*(f"data:{number}" for number in range(threads)), "data:last"])
