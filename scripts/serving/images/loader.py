"""From the address of an image in a request to the image, with every bound that there is."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from m3_backbone.data_uris import is_data_uri, read_data_uri
from m3_backbone.images import check_image, detach, open_image
from scripts.serving.errors import ApiError
from scripts.serving.images.jpeg import MAX_SCANS, has_many_scans
from scripts.serving.images.remote import RemoteImages

FORMATS = ("GIF", "JPEG", "PNG", "WEBP")
"""Those of the OpenAI API, which say at their head how many pixels are decoded. A TIFF's tile or an
AVIF's picture may be far larger than the image, and what libtiff prints is silenced for all."""


class ImageLoader:
    """Opens images, a few at a time, beside the event loop."""

    def __init__(self, max_pixels: int, remote: RemoteImages) -> None:
        """Set the bounds.

        Args:
            max_pixels: pixels of all images of a request together.
            remote: fetches what lies elsewhere.
        """
        self._max_pixels = max_pixels
        self._remote = remote
        # Each decoded image may be large, and more threads than cores decode none the faster. Who
        # is cancelled leaves at once, while the thread stays taken until it has ended.
        self._threads = ThreadPoolExecutor(os.cpu_count(), "images")

    async def load(self, url: str, name: str, taken: int = 0) -> Image.Image:
        """Open one image, upright and in 8-bit RGB.

        Args:
            url: `data:image/png;base64,...`, or an http(s) address where these are allowed.
            name: the field of the request, for an error.
            taken: pixels of the request's images so far.

        Raises:
            ApiError: if it cannot be had, is no image, or is too large.
        """
        content = None if is_data_uri(url) else await self._remote.fetch(url, name)
        arguments = (url, content, name, self._max_pixels - taken)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._decode, *arguments)
        except ValueError as error:
            raise ApiError(400, str(error), "invalid_image", name) from error

    def _decode(self, url: str, content: bytes | None, name: str, left: int) -> Image.Image:
        content = read_data_uri(url, name) if content is None else content
        with open_image(content, name, FORMATS) as image:
            # Known from the file's head, before its pixels are decoded.
            width, height = image.size
            if width * height > left:
                limit = self._max_pixels / 1e6
                raise ValueError(
                    f"{name} has {width}x{height} pixels, the images of a request may have "
                    f"{limit:g} million together"
                )
            if has_many_scans(content):
                raise ValueError(
                    f"{name} is a JPEG of more than {MAX_SCANS} scans, which takes long to decode: "
                    "save it again as it is usual"
                )
            return detach(check_image(image, name))
