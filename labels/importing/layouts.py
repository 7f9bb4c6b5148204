"""The layouts that are known, by the keys that each has; a file in no known layout is refused.

What this is not: a guess. All rows of a file must be in the layout of the first one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labels.importing.answer_files import read_llava, read_vlmevalkit
from labels.importing.cells import Record, name_sample, read_score
from labels.importing.inspect_logs import list_samples, read_eval, read_sample
from labels.importing.lmms_eval import read_row
from labels.importing.tables import list_records, read_records
from labels.importing.verdicts import pick_verdict

REQUIRED = ("sample_id", "scale", "answer", "score")
OPTIONAL = ("group", "image_id", "cost", "question", "target", "choices")

MAPPED = ("sample_id", "question", "group", "image_id")
"""Fields of a log that may have another name."""

Reader = Callable[[Record, Mapping[str, str], str], Record]


@dataclass(frozen=True)
class Layout:
    """How the rows of a log look.

    Attributes:
        name: what messages call it.
        keys: keys that every row has.
        read: row, names of our fields, place for messages -> answer in our fields.
        also: of these keys a row has at least one, if there are any.
        lacks: a key that no row has.
    """

    name: str
    keys: tuple[str, ...]
    read: Reader
    also: tuple[str, ...] = ()
    lacks: str = ""

    def fits(self, record: Record) -> bool:
        """Tell whether a row is in this layout."""
        has_keys = all(key in record for key in self.keys) and self.lacks not in record
        return has_keys and (not self.also or any(key in record for key in self.also))


LAYOUTS = (
    Layout("lmms-eval with doc", ("doc_id", "doc"), read_row, ("filtered_resps", "resps")),
    Layout("lmms-eval 0.7", ("doc_id", "target", "filtered_resps"), read_row, lacks="doc"),
    Layout("VLMEvalKit", ("index", "prediction"), read_vlmevalkit),
    Layout(
        "answers of LLaVA or M3",
        ("question_id", "text"),
        read_llava,
        ("prompt", "answer_id", "model_id"),
    ),
    Layout("inspect-ai", ("id", "epoch", "input", "target", "output"), read_sample),
)


def read_sample_log(
    path: Path,
    scale: int,
    score: str | None = None,
    columns: Mapping[str, str] | None = None,
    judged: bool = True,
) -> list[Record]:
    """Read what one evaluation at one scale wrote, in any layout of `LAYOUTS`.

    Args:
        path: the file.
        scale: the scale that the evaluation used.
        score: name of the verdict to take; not needed where a row's verdicts are the same.
        columns: our field, of `MAPPED`, -> the log's name of it.
        judged: whether to read verdicts; else the answers are to be judged anew.

    Returns:
        One answer a row, in our fields.

    Raises:
        ValueError: if the layout is not known, or a row does not have it or tells another scale.
    """
    columns = columns or {}
    if unknown := sorted(set(columns) - set(MAPPED)):
        raise ValueError(
            f"unknown field {unknown[0]!r} in the columns of a log; known: {', '.join(MAPPED)}"
        )
    records = _read_log(path)
    layout = _recognise(path, records[0])
    rows = []
    for number, record in enumerate(records, start=1):
        where = f"{path} ({layout.name}), row {number}"
        if not layout.fits(record):
            raise ValueError(
                f"{where}: it is not in the layout of row 1, which has {', '.join(layout.keys)}"
            )
        try:
            # A target that is a letter is the letter of an option, whatever their texts are.
            row = {"scale": scale, "lettered": True, **layout.read(record, columns, where)}
        except KeyError as error:
            raise ValueError(
                f"{where}: no value in {error.args[0]}; it has: {', '.join(record)}"
            ) from error
        if row["scale"] != scale:
            raise ValueError(
                f"{where}: it was answered at scale {row['scale']}, expected {scale}, as --samples "
                f"{scale}=FILE says; give each file the scale that its evaluation ran at"
            )
        verdicts = row.pop("verdicts")
        if judged and not verdicts and layout.read is read_llava:
            raise ValueError(
                f"{path} holds {layout.name} ({', '.join(layout.keys)}) without verdicts; judge "
                "them: --metric NAME --questions SOURCE"
            )
        picked = pick_verdict(verdicts, score, where) if judged else None
        rows.append({**row, "score": read_score(picked, where) if judged else None})
    _check_single(rows, f"{path} ({layout.name})")
    return rows


def read_table_rows(path: Path, columns: Mapping[str, str], judged: bool = True) -> list[Record]:
    """Read a plain table with one row per sample and scale.

    Args:
        path: a .csv, .tsv or .xlsx file, or JSON lines.
        columns: our field -> the table's column, for `REQUIRED` and `OPTIONAL` fields.
        judged: whether there is a score; else the answers are to be judged anew.

    Returns:
        Rows in our fields.

    Raises:
        ValueError: if a field is unknown or a required column is missing.
    """
    unknown = columns.keys() - {*REQUIRED, *OPTIONAL}
    if unknown:
        known = ", ".join((*REQUIRED, *OPTIONAL))
        raise ValueError(f"unknown field {min(unknown)!r} in the columns; known: {known}")
    # Our fields and the table's columns for them.
    names = {field: columns.get(field, field) for field in (*REQUIRED, *OPTIONAL)}
    needed = REQUIRED if judged else REQUIRED[:-1]
    rows = []
    for number, record in enumerate(read_records(path), start=1):
        missing = [names[field] for field in needed if not _has(record, field, names[field])]
        # A column that was named must be there; what is optional may be missing.
        missing += [name for name in columns.values() if name not in record]
        if missing:
            raise ValueError(
                f"{path}, row {number}: no value in {', '.join(dict.fromkeys(missing))}; it has: "
                f"{', '.join(record)}; name the right column as FIELD=COLUMN, or give files of one "
                "scale as --samples SCALE=FILE"
            )
        row = {field: record.get(name) for field, name in names.items()}
        name_sample(row, f"{path}, row {number}")  # raises: later the row's number is not known
        rows.append(row)
    return rows


def _has(record: Record, field: str, column: str) -> bool:
    """Tell whether a row has a field; an empty answer is one, in Excel and JSON a null."""
    return record.get(column) is not None or (field == "answer" and column in record)


def _check_single(rows: Sequence[Record], where: str) -> None:
    """Refuse a sample that was answered several times.

    Raises:
        ValueError: if one was, or a row has no sample id.
    """
    first: dict[str, int] = {}  # sample id -> its row
    for number, row in enumerate(rows, start=1):
        sample = name_sample(row, f"{where}, row {number}")
        if first.setdefault(sample, number) != number:
            raise ValueError(
                f"{where}: sample {sample!r} is in rows {first[sample]} and {number}; expected one "
                "answer a sample and scale (one epoch or round), and names that differ: --column "
                "sample_id=NAME"
            )


def _read_log(path: Path) -> list[Record]:
    if path.suffix.lower() == ".eval":
        return list_samples(read_eval(path), str(path))
    records = read_records(path)
    if len(records) > 1:
        return records
    # A whole log of inspect-ai is one object, and so is one of the first releases of lmms-eval.
    [log] = records
    if {"eval", "version"} <= log.keys():
        return list_samples(log, str(path))
    if "model_configs" in log:
        return list_records(log.get("logs"), path)
    return records


def _recognise(path: Path, record: Record) -> Layout:
    fitting = [layout for layout in LAYOUTS if layout.fits(record)]
    if len(fitting) != 1:
        known = "; ".join(_describe(layout) for layout in LAYOUTS)
        keys = ", ".join(list(record)[:20])
        raise ValueError(
            f"{path} is in no known layout (its first row has: {keys}); known are: {known}; a "
            "table with a column for the scale goes to --table"
        )
    return fitting[0]


def _describe(layout: Layout) -> str:
    return f"{layout.name}: {', '.join(layout.keys)}"
