"""Data URIs: in all forms that are in use, and what is none."""

import base64

import pytest
from PIL import Image

from m3_backbone.data_uris import decode_base64, is_data_uri, read_data_uri, write_data_uri
from m3_backbone.images import decode_image

CONTENT = bytes(range(256))
CODED = base64.b64encode(CONTENT).decode()


@pytest.mark.parametrize(
    "head", ["data:image/png", "DATA:Image/PNG", "data:image/a;name=x", "data:"]
)
def test_the_content_is_read_whatever_the_kind_of_image(head):
    assert is_data_uri(head)
    assert read_data_uri(f"{head};base64,{CODED}", "x") == CONTENT


@pytest.mark.parametrize(
    "coded",
    [
        CODED.rstrip("="),
        base64.urlsafe_b64encode(CONTENT).decode(),
        f" {CODED[:76]}\r\n{CODED[76:]}\n",
    ],
    ids=["no padding", "letters of URLs", "lines"],
)
def test_all_forms_of_base64_are_read(coded):
    assert decode_base64(coded) == CONTENT
    assert read_data_uri(f"data:image/png;base64,{coded}", "x") == CONTENT


def test_escapes_of_a_uri_are_undone():
    escaped = CODED.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")
    assert read_data_uri(f"data:image/png;base64,{escaped}", "x") == CONTENT


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "image.png",
        "data:image/png,AAAA",
        "data:text/html;base64,AAAA",
        "data:image/png;base64",
    ],
)
def test_other_uris_are_refused(uri):
    with pytest.raises(ValueError, match="x: expected data:image/...;base64,..., got '"):
        read_data_uri(uri, "x")


@pytest.mark.parametrize("coded", ["####", "AAAAA", "\u00e9", "AA=A"])
def test_damaged_base64_is_told(coded):
    with pytest.raises(ValueError, match="x: its base64 is damaged: "):
        read_data_uri(f"data:image/png;base64,{coded}", "x")


def test_an_image_that_is_written_is_read():
    image = Image.new("RGB", (40, 20), "red")
    uri = write_data_uri(image)
    assert uri.startswith("data:image/png;base64,")
    assert decode_image(read_data_uri(uri, "x"), "x").tobytes() == image.tobytes()
    assert write_data_uri(image, "JPEG").startswith("data:image/jpeg;base64,")
