"""Join label folders into the arrays that a router learns from.

It stands here because `labels` and `predictor` do not import each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labels.outcomes.table import OutcomeTable
    from labels.questions import Question
    from predictor.data import FloatArray, IntArray, NameArray, TrainData


@dataclass(frozen=True)
class LabelledSplit:
    """One finished label folder, rows in the order of its table.

    Attributes:
        data: outcomes and features.
        questions: the question of each row [n].
        answers: what the model said at each scale [n, s], text.
        checkpoint: fingerprint of the model that was labelled.
        source: name of the question set.
        origin: how it became what it is, if it is not a whole folder; JSON-ready.
    """

    data: "TrainData"
    questions: "list[Question]"
    answers: "NameArray"
    checkpoint: str
    source: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)

    def take(self, rows: "IntArray", origin: Mapping[str, Any]) -> "LabelledSplit":
        """Keep the rows of these numbers [k], and note why in `origin`."""
        return replace(
            self,
            data=self.data.take(rows),
            questions=[self.questions[row] for row in rows],
            answers=self.answers[rows],
            origin={**self.origin, **origin},
        )


def read_splits(
    folders: Sequence[Path], profile: Mapping[str, float] | None = None
) -> list[LabelledSplit]:
    """Read label folders that belong together.

    Args:
        folders: finished label folders of one model.
        profile: scale to its time [ms], as `m3scale profile` measured it; the mean times of the
            labels if left out.

    Returns:
        One split per folder; all have the same scales and the same metadata columns.
    """
    answered = [read_answered(folder) for folder in folders]
    names = _name_meta([table for table, _ in answered])
    splits = [
        LabelledSplit(
            data=_make_data(folder, table, asked, names, profile),
            questions=asked,
            answers=table.answers,
            checkpoint=_read_checkpoint(folder),
            source=_read_source(folder),
        )
        for folder, (table, asked) in zip(folders, answered, strict=True)
    ]
    for folder, split in zip(folders, splits, strict=True):
        # All with the first, which is enough to compare all with one another.
        _check_alike(folders[0], splits[0], folder, split)
    return splits


def read_answered(folder: Path) -> "tuple[OutcomeTable, list[Question]]":
    """Read outcomes with the questions they answer, and no features.

    Args:
        folder: a finished label folder.

    Returns:
        The outcomes, and the question of each of their rows [n].
    """
    from labels.outcomes.table import read_outcomes, read_questions

    table = read_outcomes(folder)
    # The table groups questions by image; the file of questions need not.
    by_id = {question.sample_id: question for question in read_questions(folder)}
    return table, [by_id[str(sample_id)] for sample_id in table.sample_ids]


def list_members(table: "OutcomeTable", questions: "Sequence[Question]") -> "NameArray | None":
    """List the images of every question, by which rows belong together.

    Args:
        table: the outcomes.
        questions: the question of each of their rows [n].

    Returns:
        Content hashes, a tuple each [n]; None where every question is about one image.
    """
    import numpy as np

    if not any(asked.images for asked in questions):
        return None
    several = (
        asked.images or (image_id,)
        for asked, image_id in zip(questions, table.image_ids.tolist(), strict=True)
    )
    return np.fromiter(several, object, len(questions))


def find_clusters(table: "OutcomeTable", questions: "Sequence[Question]") -> "NameArray":
    """Tell which rows of a table belong together, as `TrainData.clusters` does [n]."""
    from predictor.clusters import name_clusters

    return name_clusters(table.image_ids, list_members(table, questions))


def _read_checkpoint(folder: Path) -> str:
    from labels.outcomes.manifest import read_manifest

    return str(read_manifest(folder).settings["checkpoint"])


def _read_source(folder: Path) -> str:
    from labels.outcomes.manifest import read_manifest

    return read_manifest(folder).source


def add_geometry(splits: Sequence[LabelledSplit]) -> list[LabelledSplit]:
    """Add to the metadata what scenes know of the things that are asked about.

    Only a report needs it, for the omniscient router; it takes a moment.

    Args:
        splits: splits of one run.

    Returns:
        The splits, with the same further columns; as they are where no scene is known.
    """
    import numpy as np

    from labels.scenes.geometry import describe_samples, name_facts

    described = [describe_samples(split.source, split.questions) for split in splits]
    names = name_facts(described)
    if not names:
        return list(splits)
    known = []
    for split, facts in zip(splits, described, strict=True):
        rows = [[one.get(name, np.nan) for name in names] for one in facts]
        added = np.array(rows, np.float32).reshape(-1, len(names))  # [n, names]
        old = np.empty((len(added), 0)) if split.data.meta is None else split.data.meta
        every = (*split.data.meta_names, *names)
        data = replace(split.data, meta=np.hstack((old, added)), meta_names=every)
        known.append(replace(split, data=data))
    return known


def _make_data(
    folder: Path,
    table: "OutcomeTable",
    questions: "list[Question]",
    names: tuple[str, ...],
    profile: Mapping[str, float] | None,
) -> "TrainData":
    import numpy as np

    from labels.outcomes.table import read_extras, read_features
    from predictor.data import TrainData

    coarse, question = read_features(folder, table.sample_ids)  # [n, t, D] and [n, D]
    return TrainData(
        sample_ids=table.sample_ids,
        image_ids=table.image_ids,
        groups=table.groups,
        coarse=coarse,
        question=question,
        scores=table.scores,  # [n, s]
        tokens=table.visual_tokens,  # [n, s]
        scales=table.scales,
        meta=_stack_meta(table, questions, names) if names else None,
        meta_names=names,
        confidence=_read_confidence(table),
        lengths=np.array([len(asked.question) for asked in questions], np.float64),
        costs=_list_costs(table, profile),
        extras=read_extras(folder, table.sample_ids),
        repeats=table.repeats,
        members=list_members(table, questions),
    )


def _read_confidence(table: "OutcomeTable") -> "FloatArray | None":
    """Give how sure the model was of its answers [n, s]; None where a table does not know it."""
    import numpy as np

    # An imported table has NaN, at which every answer would look unsure.
    return None if np.isnan(table.mean_logprob).any() else table.mean_logprob


def _list_costs(
    table: "OutcomeTable", profile: Mapping[str, float] | None
) -> "dict[str, FloatArray]":
    """Give costs [n, s] in GFLOP and in ms; a scale's mean time stands for all questions."""
    import numpy as np

    times = table.wall_ms.mean(axis=0)  # [s]
    if profile is not None:
        missing = [scale for scale in table.scales if str(scale) not in profile]
        if missing:
            raise ValueError(f"the profile does not know scale {missing[0]}; measure it again")
        times = np.array([profile[str(scale)] for scale in table.scales])
    # [n, s] each; the times of the scales, [s], are repeated for every question.
    costs = {"flops": table.flops / 1e9, "ms": np.tile(times, (len(table.scores), 1))}
    # A unit that was not measured has NaN or only zeros.
    return {unit: cost for unit, cost in costs.items() if np.isfinite(cost).all() and cost.any()}


def _name_meta(tables: "Sequence[OutcomeTable]") -> tuple[str, ...]:
    """Name the numeric metadata of all splits; none at all means no omniscient router."""
    from predictor.data import OPTIONS

    names = {name for table in tables for facts in table.meta for name in _numbers(facts)}
    # Sorted, since a set has another order in every process.
    return (*sorted(names - {OPTIONS}), OPTIONS) if names else ()


def _stack_meta(
    table: "OutcomeTable", questions: "list[Question]", names: tuple[str, ...]
) -> "FloatArray":
    import numpy as np

    from predictor.data import OPTIONS

    rows = []
    for facts, question in zip(table.meta, questions, strict=True):
        # An open question has no options: unknown, not 0. The source's own count wins.
        known = {OPTIONS: float(len(question.choices) or np.nan), **_numbers(facts)}
        rows.append([known.get(name, np.nan) for name in names])
    # [n, m], NaN where a question lacks a column of another split.
    return np.array(rows, dtype=np.float32)


def _numbers(facts: Mapping[str, float | int | str]) -> dict[str, float]:
    return {name: float(value) for name, value in facts.items() if not isinstance(value, str)}


def _check_alike(
    first_folder: Path, first: LabelledSplit, folder: Path, split: LabelledSplit
) -> None:
    if split.checkpoint != first.checkpoint:
        raise ValueError(
            f"{folder} was labelled with checkpoint {split.checkpoint}, {first_folder} with "
            f"{first.checkpoint}; label all splits with one model"
        )
    if split.data.scales != first.data.scales:
        raise ValueError(
            f"{folder} holds the scales {split.data.scales}, {first_folder} {first.data.scales}; "
            "label all splits at the same scales"
        )
