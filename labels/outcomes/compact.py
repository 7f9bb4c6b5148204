"""Joins the parts of a finished run into few files; no row is missing at any moment.

A joined part is written completely before the parts within it are deleted. A reader prefers the
joined one, so a process killed in between leaves a readable run, and the next call goes on. What
this is not: a change of what is in the run; rows keep their order.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labels.outcomes.formats import join_features, pack_features, pack_table, unpack_features
from labels.outcomes.manifest import Manifest, read_manifest
from labels.outcomes.parts import (
    FEATURES,
    TABLE,
    Part,
    Work,
    check_part,
    drop_joined,
    read_part,
    read_work,
    write_part,
)
from labels.outcomes.table import list_whole

LARGEST = 256 * 2**20
"""Bytes that a file is to have at most, unless a single part has more."""


def compact(folder: Path, largest: int = LARGEST) -> tuple[int, int]:
    """Join the parts of a finished run, up to so many bytes each.

    Returns:
        Number of parts before and after.

    Raises:
        ValueError: if the run is not finished.
    """
    manifest = read_manifest(folder)
    if not manifest.finished:
        raise ValueError(
            f"the run in {folder} is not finished; run m3scale label again before it is compacted"
        )
    before = list_whole(folder, manifest)
    after = list(_bundle(before, largest))
    for bundle in after:
        if len(bundle) > 1:
            _join(folder, bundle, manifest)
    # Also what an earlier call, killed half way, had joined and not deleted.
    drop_joined(folder)
    return len(before), len(after)


def _bundle(parts: Sequence[Part], largest: int) -> Iterator[list[Part]]:
    bundle: list[Part] = []
    total = 0  # bytes of the bundle
    for part in parts:
        size = sum(part.file(suffix).stat().st_size for suffix in (TABLE, FEATURES))
        if bundle and total + size > largest:
            yield bundle
            bundle = []
            total = 0
        bundle.append(part)
        total += size
    yield bundle


def _join(folder: Path, parts: Sequence[Part], manifest: Manifest) -> None:
    tables = []
    features = []
    work: list[Work] = []
    for part in parts:
        tables.append(pq.read_table(pa.BufferReader(read_part(part, manifest.run, TABLE))))
        features.append(unpack_features(read_part(part, manifest.run, FEATURES)))
        work += read_work(part, manifest.run)
    contents = {
        TABLE: pack_table(pa.concat_tables(tables, promote_options="default")),
        FEATURES: pack_features(join_features(features)),
    }
    joined = Part(parts[0].first, parts[-1].last, folder)
    write_part(joined, manifest.run, contents, work)
    check_part(joined, manifest.run)  # as it is on the disk, before anything is deleted
