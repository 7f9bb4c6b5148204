"""Checks all images of conversations before the first step: a broken one must not end a long run.

The images that were found good are listed beside the unfinished run, so that a run which is taken
up again need not decode them anew.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm.auto import tqdm

from labels.sources.llava_conversations import Conversation
from m3_backbone.files import write_json
from m3_backbone.images import load_image
from m3_backbone.schemas import read_saved
from m3_backbone.training.distributed import group_rank

QUIET_SECONDS = 2.0
"""After so long a progress bar is shown."""

State = list[int]
"""Bytes of a file and when it was changed last, which no tool sets back [ns]."""


def keep_usable(
    conversations: Sequence[Conversation],
    cache: Path,
    bad: list[str] | None = None,
    quiet: bool = False,
) -> list[Conversation]:
    """Decode every image once, and leave out conversations with one that cannot be used.

    Args:
        conversations: what to train on.
        cache: file that lists the images that were good before.
        bad: where the message of each conversation goes that is left out; None raises the first.
        quiet: hide the progress bar.

    Returns:
        The conversations that can be used, in order.

    Raises:
        ValueError: if one cannot be used.
    """
    damage = find_damage((path for one in conversations for path in one.images), cache, quiet)
    kept = []
    for one in conversations:
        found = [damage[path] for path in one.images if path in damage]
        if not found:
            kept.append(one)
        elif bad is None:
            more = f", and {len(damage) - 1} more such images" if len(damage) > 1 else ""
            raise ValueError(f"{one.name}: {found[0]}{more}; --skip-bad leaves them out")
        else:
            bad.append(f"{one.name}: {found[0]}")
    return kept


def remember_images(conversations: Sequence[Conversation], cache: Path) -> None:
    """List the images of conversations, which `keep_usable` kept, as good.

    Of processes that train together the first one writes.
    """
    if group_rank() == 0:
        paths = {path for one in conversations for path in one.images}
        write_json(cache, {str(path): read_state(path) for path in sorted(paths)})


def find_damage(paths: Iterable[Path], cache: Path, quiet: bool = False) -> dict[Path, str]:
    """Decode images, several at a time, but for those that were good before and did not change.

    Returns:
        The images that cannot be used -> why.
    """
    known = read_saved(dict[str, State], cache, "remove it") if cache.is_file() else {}
    fresh = [path for path in dict.fromkeys(paths) if known.get(str(path)) != read_state(path)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bar = tqdm(
            pool.map(describe_damage, fresh),
            desc="checking",
            unit=" images",
            total=len(fresh),
            delay=QUIET_SECONDS,
            disable=quiet or None,
        )
        return {path: why for path, why in zip(fresh, bar, strict=True) if why}


def read_state(path: Path) -> State:
    """Give what changes with the content of a file."""
    status = path.stat()
    return [status.st_size, status.st_ctime_ns]


def describe_damage(path: Path) -> str:
    """Say why an image cannot be used; nothing if it can."""
    try:
        load_image(path)
    except (ValueError, OSError) as error:
        return str(error)
    return ""
