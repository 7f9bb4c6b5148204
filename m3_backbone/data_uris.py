"""Images as text: data URIs, and base64 in every form that is in use."""

import base64
from io import BytesIO
from urllib.parse import unquote

from PIL import Image

from m3_backbone.serialization import show

URL_SAFE = str.maketrans("-_", "+/")
"""The letters of base64 that URLs have others for."""


def is_data_uri(text: str) -> bool:
    """Tell whether a text is a URI that holds the content itself."""
    return text[:5].lower() == "data:"


def read_data_uri(uri: str, name: str) -> bytes:
    """Read the image file that a data URI holds; it is not decoded.

    Args:
        uri: `data:`, a media type of images or none, `;base64,` and the content.
        name: what to call it in an error.

    Raises:
        ValueError: if it is another kind of URI, or damaged.

    >>> read_data_uri("data:image/gif;base64,R0lGODlh", "url")
    b'GIF89a'
    """
    head, comma, content = uri.partition(",")
    media, *parameters = head[5:].lower().split(";")
    is_image = is_data_uri(uri) and (media.startswith("image/") or not media)
    if not (is_image and comma and "base64" in parameters):
        raise ValueError(f"{name}: expected data:image/...;base64,..., got {show(uri)}")
    try:
        return decode_base64(unquote(content))
    except ValueError as error:
        raise ValueError(f"{name}: its base64 is damaged: {error}") from error


def decode_base64(text: str) -> bytes:
    """Decode base64; line breaks, the letters of URLs and missing padding are allowed.

    What is no base64 raises the ValueError of `base64.b64decode`.
    """
    inner = "".join(text.split()).translate(URL_SAFE).rstrip("=")
    return base64.b64decode(inner + "=" * (-len(inner) % 4), validate=True)


def write_data_uri(image: Image.Image, kind: str = "PNG") -> str:
    """Write an image as a data URI.

    Args:
        image: the image.
        kind: Pillow's name of the file's format.
    """
    file = BytesIO()
    image.save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
