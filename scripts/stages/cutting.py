"""Three splits out of one label folder, or out of three that share images.

How rows are dealt is the business of `predictor.splitting`. Here it meets label folders, and what
was done to them is noted for the router and the report, so that both tell what belongs together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.stages.run_folder import SPLITS
from scripts.stages.splits import LabelledSplit, read_splits

if TYPE_CHECKING:
    from predictor.data import IntArray, TrainData

Note = dict[str, Any]
"""What was done to splits, JSON-ready: `split` and `dropped`, each if it was."""


@dataclass(frozen=True)
class Cutting:
    """What is done to label folders before they are used.

    Attributes:
        percent: of the questions in each of `SPLITS`, if they come out of one folder.
        seed: seed of that split.
        drop_shared: whether a later split loses what shares an image with an earlier one.
    """

    percent: tuple[float, ...] | None = None
    seed: int = 0
    drop_shared: bool = False

    def read(
        self, folders: Sequence[Path | None], profile: Mapping[str, float] | None = None
    ) -> list[LabelledSplit]:
        """Read label folders that belong together.

        Args:
            folders: those of `SPLITS`, or of the first of them, or the one that is cut; None is
                passed over. All belong to one model.
            profile: see `read_splits`.

        Returns:
            The splits; all of `SPLITS` if one folder was cut.
        """
        splits = read_splits([folder for folder in folders if folder is not None], profile)
        return self.apply(splits)

    def apply(self, splits: list[LabelledSplit]) -> list[LabelledSplit]:
        """Cut the first split in those of `SPLITS`, or drop what they share; keep what follows."""
        if self.percent is not None:
            splits = [*cut(splits[0], self.percent, self.seed), *splits[1:]]
        if self.drop_shared:
            count = len(SPLITS)
            splits = [*drop_shared(splits[:count]), *splits[count:]]
        return splits


def cut(whole: LabelledSplit, percent: Sequence[float], seed: int) -> list[LabelledSplit]:
    """Cut a labelled data set in those of `SPLITS`.

    Args:
        whole: the data set.
        percent: of the questions in each split.
        seed: seed of the split.

    Returns:
        The splits. No picture is in two of them, equal or near-equal; of questions about several
        pictures together no equal one. Each has its share of every group of questions.
    """
    from labels.questions import UNKNOWN_IMAGE
    from predictor.clusters import join_groups
    from predictor.splitting import deal_rows, group_pictures

    data = whole.data
    pictures = group_pictures(data.image_ids, data.coarse)
    pictures = join_groups(pictures, data.clusters[:, None])
    data = count_as_one(data, pictures)
    parts = deal_rows(pictures, data.groups, [one / 100 for one in percent], seed)
    note = {
        "percent": "/".join(f"{one:g}" for one in percent),
        "seed": seed,
        "outcomes": data.fingerprint(),
        "images": whole.data.n_images,
        "different_images": len(set(pictures.tolist())),
        "unknown_images": sum(str(one).startswith(UNKNOWN_IMAGE) for one in set(data.image_ids)),
        "parts": {
            name: _describe(data.take(rows)) for name, rows in zip(SPLITS, parts, strict=True)
        },
    }
    return [replace(whole, data=data).take(rows, {"split": note}) for rows in parts]


def count_as_one(data: "TrainData", pictures: "IntArray") -> "TrainData":
    """Let near-equal pictures count as one everywhere, as equal ones do.

    Args:
        data: rows.
        pictures: group of near-equal pictures of each row [n].
    """
    import numpy as np

    if len(np.unique(pictures)) == data.n_images:
        return data
    # Rows with a picture in common count as one: each gets the first of its group beside its own.
    first: dict[int, str] = {}
    for group, image in zip(pictures.tolist(), data.image_ids.tolist(), strict=True):
        first.setdefault(group, image)
    pairs = zip(data.pictures, pictures.tolist(), strict=True)
    several = ((*own, first[group]) for own, group in pairs)
    return replace(data, members=np.fromiter(several, object, len(data)))


def _describe(data: "TrainData") -> Note:
    return {"questions": len(data), "images": data.n_images, "fingerprint": data.fingerprint()}


def drop_shared(splits: Sequence[LabelledSplit]) -> list[LabelledSplit]:
    """Leave out of every split what shares an image, equal or near-equal, with an earlier one.

    Args:
        splits: in the order of `SPLITS`, the first of them at least.

    Returns:
        The same splits, none of them with an image of another; the first is whole.

    Raises:
        ValueError: if nothing is left of one.
    """
    import numpy as np

    from predictor.clusters import join_groups
    from predictor.data import first_of_images
    from predictor.splitting import group_pictures

    kept: list[LabelledSplit] = []
    # One after the other, so that a split without its followers comes out as it does with them.
    for name, split in zip(SPLITS, splits, strict=False):
        several = [one.data for one in (*kept, split)]
        # A row of every image, since the tokens of all rows may not fit into memory.
        once = [first_of_images(data.image_ids) for data in several]
        names = [data.image_ids[rows] for data, rows in zip(several, once, strict=True)]
        tokens = [data.coarse[rows] for data, rows in zip(several, once, strict=True)]
        pictures = group_pictures(np.concatenate(names), np.concatenate(tokens))
        members = [
            one for data, rows in zip(several, once, strict=True) for one in data.pictures[rows]
        ]
        pictures = join_groups(pictures, members)
        known, own = np.split(pictures, [len(pictures) - len(once[-1])])
        rows = np.flatnonzero(np.isin(split.data.image_ids, names[-1][~np.isin(own, known)]))
        if not len(rows):
            raise ValueError(f"the {name} split has no image of its own: nothing would be left")
        group_of = dict(zip(names[-1].tolist(), own.tolist(), strict=True))
        groups = np.array([group_of[one] for one in split.data.image_ids])
        data = count_as_one(split.data, groups)
        taken = data.take(rows)
        note = {
            "questions": len(data) - len(taken),
            "images": data.n_images - taken.n_images,
        }
        dropped = {"dropped": {name: note}} if note["questions"] else {}
        kept.append(replace(split, data=data).take(rows, dropped))
    return kept


def note_cutting(splits: Sequence[LabelledSplit]) -> Note:
    """Join what was done to splits.

    Args:
        splits: splits of one router or report.

    Returns:
        `split`, if one folder was cut; `dropped` by name of the split, if rows were left out.
    """
    note: Note = {}
    for split in splits:
        dropped = {**note.get("dropped", {}), **split.origin.get("dropped", {})}
        note.update(split.origin)
        if dropped:
            note["dropped"] = dropped
    return note


def pick_note(facts: Mapping[str, Any]) -> Note:
    """Take what `note_cutting` gave from the other facts of a router or a report."""
    return {name: facts[name] for name in ("split", "dropped") if name in facts}


def describe_cutting(note: Mapping[str, Any]) -> list[str]:
    """Say in lines what was done to splits.

    Args:
        note: what `note_cutting` gave; a router and a report keep it among other facts.
    """
    lines = []
    if split := note.get("split"):
        parts = ", ".join(
            f"{name} {part['questions']} questions about {part['images']} images"
            for name, part in split["parts"].items()
        )
        lines.append(f"split {split['percent']}, seed {split['seed']}: {parts}")
        if near := split["images"] - split["different_images"]:
            lines.append(f"{near} of {split['images']} images are near-equal to another")
        if unknown := split["unknown_images"]:
            lines.append(
                f"image unknown for {unknown} questions: each counts as an image of its own, so "
                "splits may share images; m3scale features tells them"
            )
    for name, part in note.get("dropped", {}).items():
        lines.append(
            f"{part['images']} images with {part['questions']} questions left out of {name}: "
            "an earlier split has them"
        )
    return lines


def name_cutting(note: Mapping[str, Any]) -> str:
    """Name the options that a router or a report was made with."""
    split = note.get("split")
    # A router may come from anybody.
    if isinstance(split, dict):
        return f"--split {split.get('percent')} --seed {split.get('seed')}"
    return "--drop-shared" if note.get("dropped") else "no --split"
