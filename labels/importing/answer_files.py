"""Answer files: LLaVA's and M3's own, one JSON line a question, and VLMEvalKit's tables.

What this is not: a judge. LLaVA's files hold no verdicts, VLMEvalKit's only once it has judged.
"""

from collections.abc import Mapping

from labels.cells import read_text, read_texts
from labels.importing.cells import Record, read_score
from labels.importing.lmms_eval import name_images, read_lettered


def read_llava(record: Record, columns: Mapping[str, str], where: str) -> Record:
    """Read a row of LLaVA's or M3's answers.

    Args:
        record: `question_id`, `prompt` and `text`.
        columns: our field -> its key, where it is another.
        where: file and row, for messages.

    Returns:
        An answer in our fields, without verdict and scale.
    """
    return {
        "sample_id": record[columns.get("sample_id", "question_id")],
        "question": record.get(columns.get("question", "prompt")),
        "answer": read_text(record["text"], where),
        "group": record.get(columns.get("group", "category")),
        "image_id": name_images(record.get(columns.get("image_id", "image")), where),
        "verdicts": {},
    }


def read_vlmevalkit(record: Record, columns: Mapping[str, str], where: str) -> Record:
    """Read a row of VLMEvalKit's table of predictions.

    Args:
        record: `index`, `prediction`, and where they are there `question`, `answer`, `hit`,
            `category`, `image_path`, and the options `A`, `B`, ...
        columns: our field -> its column, where it is another.
        where: file and row, for messages.

    Returns:
        An answer in our fields, without scale; its one verdict is `hit`.
    """
    hit = record.get("hit")
    return {
        "sample_id": record[columns.get("sample_id", "index")],
        "question": record.get(columns.get("question", "question")),
        "answer": read_text(record["prediction"], where),
        "target": read_texts(record.get("answer"), where),
        "choices": read_lettered(record, where),
        "group": record.get(columns.get("group", "category")),
        "image_id": name_images(record.get(columns.get("image_id", "image_path")), where),
        "verdicts": {} if hit in (None, "") else {"hit": read_score(hit, f"{where}, hit")},
    }
