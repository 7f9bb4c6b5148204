"""Prepares images in threads while the model is busy with those before them.

What this is not: a cache; an image is handed out once and forgotten.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

WORKERS = 2
"""Threads. Decoding and resizing release the interpreter's lock, so that two keep up with a GPU."""


class Lookahead:
    """Starts to prepare images that are expected, and waits for those that are taken.

    Args:
        make_ready: image id and sample id of the question that asks for it -> image as the model
            takes it; called in threads.
        workers: how many threads.
    """

    def __init__(self, make_ready: Callable[[str, str], Any], workers: int = WORKERS) -> None:
        self._make_ready = make_ready
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="images")
        self._coming: dict[str, Future[Any]] = {}

    def __enter__(self) -> "Lookahead":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel what has not started and wait for the rest."""
        self._pool.shutdown(cancel_futures=True)

    def expect(self, wanted: Mapping[str, str]) -> None:
        """Start with images in their order; those that are not wanted any more are cancelled.

        Args:
            wanted: image id -> sample id of the question that asks for it.
        """
        # Those that were not taken, as they were still encoded.
        for image_id in self._coming.keys() - wanted.keys():
            self._coming.pop(image_id).cancel()
        for image_id, sample_id in wanted.items():
            if image_id not in self._coming:
                self._coming[image_id] = self._pool.submit(self._make_ready, image_id, sample_id)

    def take(self, image_id: str, sample_id: str) -> Any:
        """Wait for an image; one that was not expected is prepared now.

        `sample_id` is that of the question that asks for it.
        """
        # Popped, so that nothing keeps the image once it is encoded.
        coming = self._coming.pop(image_id, None)
        return self._make_ready(image_id, sample_id) if coming is None else coming.result()
