"""Joins questions with answers that lie in a file of their own, by a column that both have."""

from collections.abc import Sequence

from labels.cells import read_text
from labels.sources.files.table import Record, Rows, Table
from m3_backbone.serialization import show


def join(questions: Table, answers: Table, keys: Sequence[str]) -> Table:
    """Give each question the columns of its answer.

    Args:
        questions: rows with questions.
        answers: rows with answers; those without a question are left out.
        keys: columns to join by, of which the first counts that both have; no two answers have the
            same in it.

    Returns:
        The questions; one without an answer is a ValueError when it is read. Where both have a
        column, the question's counts.

    Raises:
        ValueError: if there is no such column, or two answers have one key.
    """
    shared = [key for key in keys if key in questions.columns and key in answers.columns]
    if not shared:
        raise ValueError(
            f"questions and answers are joined by {' or '.join(keys)}, which both must have; name "
            f"it: --column sample_id=NAME; the questions have: {', '.join(questions.columns)}; the "
            f"answers: {', '.join(answers.columns)}"
        )
    key = shared[0]
    places: dict[str, int] = {}
    for place, row in enumerate(answers.rows):
        name = _read_key(row, key)
        if name in places:
            raise ValueError(f"two answers have the {key} {show(name)}")
        places[name] = place

    def read(index: int) -> Record:
        row = questions.rows[index]
        name = _read_key(row, key)
        if name not in places:
            raise ValueError(f"row {index + 1}: there is no answer with the {key} {show(name)}")
        return {**answers.rows[places[name]], **row}

    columns = dict.fromkeys((*questions.columns, *answers.columns))
    return Table(Rows(len(questions.rows), read), tuple(columns))


def _read_key(row: Record, key: str) -> str:
    name = read_text(row.get(key), f"column {key!r}")
    if not name.strip():
        raise ValueError(f"a row has no {key}, by which questions and answers are joined")
    return name
