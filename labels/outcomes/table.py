"""Reading a finished labelling run: outcomes, questions and features as arrays.

What this is not: the writer (`labels.labelling.run`). The checksums of everything that is read here
are verified first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labels.outcomes.formats import OUTCOME_TYPES, unpack_features, unpack_questions
from labels.outcomes.manifest import IMPORTED, QUESTIONS_FILE, Manifest, read_manifest
from labels.outcomes.parts import (
    FEATURES,
    TABLE,
    Part,
    list_parts,
    missing_parts,
    part_path,
    read_part,
)
from labels.outcomes.stored import StoredArray, StoredRows, locate_arrays
from labels.questions import Question, fingerprint_questions

OUTCOME_COLUMNS = tuple(OUTCOME_TYPES)
REMAKE = "delete it and run m3scale label again to make it anew"
Meta = Mapping[str, float | int | str]


@dataclass(frozen=True)
class OutcomeTable:
    """Outcomes with one row per sample and one column per scale.

    Attributes:
        sample_ids: the samples [n].
        image_ids: content hash of each sample's image [n].
        groups: family or dataset of each sample [n].
        scales: visual tokens, ascending; the columns of the arrays below.
        scores: what each answer is worth, from 0 to 1 [n, s].
        parse_ok: whether each answer could be read [n, s].
        visual_tokens: visual tokens that were really used [n, s].
        flops: cost of each answer, vision included [n, s].
        answers: text of each answer, as objects [n, s].
        mean_logprob: mean log-probability of each answer [n, s].
        first_margin: log-probability gap at each answer's first token [n, s].
        wall_ms: measured share of its batch's time in milliseconds, vision not included [n, s].
        meta: facts about each sample that no router may see [n].
        losses: mean negative log-likelihood of the reference answer [n, s], in nats; None if it was
            not measured.
        repeats: scores of all repeats, those in `scores` first [n, k, s]; None if each question was
            asked once.
    """

    sample_ids: NDArray[np.str_]
    image_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    scales: tuple[int, ...]
    scores: NDArray[np.float64]
    parse_ok: NDArray[np.bool_]
    visual_tokens: NDArray[np.float64]
    flops: NDArray[np.float64]
    answers: NDArray[np.object_]
    mean_logprob: NDArray[np.float64]
    first_margin: NDArray[np.float64]
    wall_ms: NDArray[np.float64]
    meta: list[Meta]
    losses: NDArray[np.float64] | None = None
    repeats: NDArray[np.float64] | None = None


def read_outcomes(folder: Path) -> OutcomeTable:
    """Read the outcomes of a finished run, samples in the order they were labelled in."""
    frame = read_table(folder)
    metas = {question.sample_id: question.meta for question in read_questions(folder)}
    return wide_table(frame, metas)


def read_table(folder: Path) -> pd.DataFrame:
    """Read a finished run as written, columns `OUTCOME_COLUMNS`.

    Returns:
        One row per sample, scale and repeat, which is 0 throughout in tables of older versions.
    """
    manifest = _read_finished(folder)
    tables = [
        pq.read_table(pa.BufferReader(read_part(part, manifest.run, TABLE)))
        for part in list_whole(folder, manifest)
    ]
    # Parts of older versions lack the last column, and imported ones its values.
    frame = pa.concat_tables(tables, promote_options="default").to_pandas()
    repeats = frame["repeat"].fillna(0) if "repeat" in frame else np.zeros(len(frame))
    return frame.assign(repeat=repeats.astype(np.int32))


def read_questions(folder: Path) -> list[Question]:
    """Read the questions of a run, in the order of their set.

    Raises:
        FileNotFoundError: if the run has no file of questions.
        ValueError: if the file does not hold the questions of the run.
    """
    manifest = read_manifest(folder)
    path = folder / QUESTIONS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run m3scale label again to make it")
    try:
        questions = unpack_questions(path.read_bytes())
        intact = fingerprint_questions(questions) == manifest.settings["questions"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); {REMAKE}") from error
    if not intact:
        raise ValueError(f"{path} does not hold the questions of the run; {REMAKE}")
    return questions


def read_features(
    folder: Path, sample_ids: Sequence[str] | NDArray[np.str_]
) -> tuple[StoredRows, StoredRows]:
    """Verify the features of a finished run, and find those of some samples.

    Args:
        folder: the run's folder.
        sample_ids: the samples, in the order wanted [n].

    Returns:
        Coarse tokens [n, 10, D], which the questions of an image share, and question embeddings
        [n, D]; both are read from the disk when they are indexed.

    Raises:
        ValueError: if a sample is not in the run, or the run was imported.
    """
    manifest = _read_finished(folder)
    if str(manifest.settings.get("checkpoint")).startswith(IMPORTED):
        raise ValueError(
            f"{folder} was imported and has no features to train on; m3scale features adds them"
        )
    found = _locate(folder, manifest, sample_ids, ("coarse", "question"))
    return found["coarse"], found["question"]


def read_extras(
    folder: Path, sample_ids: Sequence[str] | NDArray[np.str_]
) -> dict[str, StoredRows]:
    """Verify and find the optional features that a run measured.

    Args:
        folder: the run's folder.
        sample_ids: samples of the run, in the order wanted [n].

    Returns:
        Some of `EXTRAS`, each [n, width]; empty if none was asked for.
    """
    manifest = _read_finished(folder)
    measured = [name for name in str(manifest.settings.get("extras", "")).split(",") if name]
    return _locate(folder, manifest, sample_ids, measured) if measured else {}


def _locate(
    folder: Path,
    manifest: Manifest,
    sample_ids: Sequence[str] | NDArray[np.str_],
    names: Sequence[str],
) -> dict[str, StoredRows]:
    """Find the rows of samples, in the order wanted, in the files of all parts.

    Raises:
        ValueError: if a sample is not in the run.
    """
    places: dict[str, tuple[int, int, int]] = {}  # sample id -> part, its row, its image's row
    arrays: dict[str, list[StoredArray]] = {name: [] for name in names}
    finite = dict.fromkeys(names, True)
    for index, part in enumerate(list_whole(folder, manifest)):
        features = unpack_features(read_part(part, manifest.run, FEATURES))
        stored = locate_arrays(part.file(FEATURES))
        for row, (name, image) in enumerate(
            zip(features.sample_ids.tolist(), features.image_rows.tolist(), strict=True)
        ):
            places[name] = (index, row, image)
        values = {"coarse": features.coarse, "question": features.question, **features.extras}
        for name in names:
            arrays[name].append(stored[name])
            finite[name] = finite[name] and bool(np.isfinite(values[name]).all())
    wanted = [str(sample_id) for sample_id in sample_ids]
    missing = [name for name in wanted if name not in places]
    if missing:
        raise ValueError(f"{folder} has no features of {len(missing)} samples, e.g. {missing[0]!r}")
    owners, rows, images = np.array([places[name] for name in wanted], np.int64).reshape(-1, 3).T
    return {
        name: StoredRows(arrays[name], owners, images if name == "coarse" else rows, finite[name])
        for name in names
    }


def list_whole(folder: Path, manifest: Manifest) -> list[Part]:
    """List the parts of a finished run in order.

    Raises:
        FileNotFoundError: if one is missing.
    """
    parts = list_parts(folder)
    missing = missing_parts(parts, manifest.n_parts)
    if missing:
        path = part_path(folder, missing[0], TABLE)
        raise FileNotFoundError(f"{path} is not complete; run m3scale label again to make it")
    return parts


def wide_table(frame: pd.DataFrame, metas: Mapping[str, Meta] | None = None) -> OutcomeTable:
    """Turn one row per sample, scale and repeat into one row per sample.

    Args:
        frame: columns `OUTCOME_COLUMNS`, rows in any order.
        metas: facts about samples by sample id.

    Returns:
        The table, of the questions as they stand, which are repeat 0; samples in the order of their
        first row, scales ascending. A ValueError says that there are no rows, or that a sample
        lacks a scale or has it twice, in any repeat.
    """
    if "repeat" not in frame:
        return _widen(frame, metas)
    of_row = frame["repeat"].to_numpy(np.int64)
    numbers = np.unique(of_row)
    table = _widen(frame[of_row == 0], metas)
    if len(numbers) == 1:
        return table
    again = [_list_scores(frame[of_row == number], table, int(number)) for number in numbers[1:]]
    return replace(table, repeats=np.stack([table.scores, *again], axis=1))


def _list_scores(frame: pd.DataFrame, table: OutcomeTable, repeat: int) -> NDArray[np.float64]:
    """Give the scores [n, s] of a repeat, in the order of the table.

    Raises:
        ValueError: if it has other samples or scales.
    """
    other = _widen(frame, None)
    place = {name: row for row, name in enumerate(other.sample_ids.tolist())}
    if other.scales != table.scales or place.keys() != set(table.sample_ids.tolist()):
        raise ValueError(
            f"repeat {repeat} of the outcome table has other samples or scales than the first"
        )
    return other.scores[[place[name] for name in table.sample_ids.tolist()]]


def _widen(frame: pd.DataFrame, metas: Mapping[str, Meta] | None) -> OutcomeTable:
    if not len(frame):
        raise ValueError("the outcome table has no rows")
    # Numbers of samples in order of appearance, and of scales in ascending order [n * s].
    codes, samples = pd.factorize(frame["sample_id"])
    scales, columns = np.unique(frame["scale"].to_numpy(), return_inverse=True)
    _check_complete(codes, columns, samples, scales)
    # By sample, then by scale: each sample's rows stand together, scales ascending [n * s].
    ordered = frame.iloc[np.lexsort((columns, codes))]
    first = ordered.iloc[:: len(scales)]  # one row per sample
    has_losses = "reference_loss" in frame and bool(frame["reference_loss"].notna().any())

    def column(name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = ordered[name].to_numpy(dtype=np.float64)
        return values.reshape(len(samples), len(scales))  # [n, s]

    return OutcomeTable(
        sample_ids=np.array(first["sample_id"].tolist(), dtype=np.str_),
        image_ids=np.array(first["image_id"].tolist(), dtype=np.str_),
        groups=np.array(first["group"].tolist(), dtype=np.str_),
        scales=tuple(int(scale) for scale in scales),
        scores=column("score"),
        parse_ok=column("parse_ok") > 0,
        visual_tokens=column("visual_tokens"),
        flops=column("flops"),
        answers=ordered["answer"].to_numpy(dtype=object).reshape(len(samples), len(scales)),
        mean_logprob=column("mean_logprob"),
        first_margin=column("first_margin"),
        wall_ms=column("wall_ms"),
        meta=[(metas or {}).get(sample, {}) for sample in first["sample_id"]],
        losses=column("reference_loss") if has_losses else None,
    )


def _check_complete(
    codes: NDArray[np.int64], columns: NDArray[np.int64], samples: Any, scales: NDArray[np.int64]
) -> None:
    # How many rows each sample has of each scale [n, s]; it must be one everywhere.
    counts = np.zeros((len(samples), len(scales)), dtype=np.int64)
    # add.at and not +=, which would count a repeated pair once.
    np.add.at(counts, (codes, columns), 1)
    faulty = np.flatnonzero((counts != 1).any(axis=1))
    if len(faulty):
        raise ValueError(
            f"sample {str(samples[faulty[0]])!r} does not have each of the scales "
            f"{scales.tolist()} exactly once"
        )


def _read_finished(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if not manifest.finished:
        raise ValueError(f"the run in {folder} is not finished; run m3scale label again")
    return manifest
