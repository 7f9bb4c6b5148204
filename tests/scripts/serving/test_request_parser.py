"""Bounds of a conversation's images and words."""

from PIL import Image

PIXELS = Image.new("RGB", (32, 24), "red")


def test_images_are_bounded(refuse, write_body, write_messages):
    error = refuse(write_body(messages=write_messages([PIXELS] * 4, "what")))
    assert error["message"] == "got 4 images, 3 is most"
    large = Image.new("RGB", (101, 100))
    error = refuse(write_body(messages=write_messages([PIXELS, large], "what")))
    assert error["param"] == "messages.0.content.1.image_url"
    half = Image.new("RGB", (100, 60))
    two = write_messages([half], "what") + [{"role": "assistant", "content": "x"}]
    for messages in (write_messages([half, half], "what"), two + write_messages([half], "what")):
        error = refuse(write_body(messages=messages))
        assert (
            "has 100x60 pixels, the images of a request may have 0.01 million" in error["message"]
        )
    error = refuse(write_body(messages=write_messages([], "x" * 90_000)))
    assert "image" in error["message"]
