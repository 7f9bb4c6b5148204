"""Answer files: LLaVA's and M3's own, one JSON line a question, and VLMEvalKit's tables.

What this is not: a judge. LLaVA's files hold no verdicts, VLMEvalKit's only once it has judged.
"""

from collections.abc import Mapping

from labels.cells import read_options, read_text, read_texts
from labels.importing.cells import TRUTHS, Record
from labels.importing.lmms_eval import name_images, read_lettered

VERDICTS = ("hit", "score")
"""Where VLMEvalKit writes whether an answer is right: multiple choice, and yes or no."""


def read_llava(record: Record, columns: Mapping[str, str], where: str) -> Record:
    """Read a row of LLaVA's or M3's answers.

    Args:
        record: `question_id`, `prompt`, `text`, and of multiple choice `options`.
        columns: our field -> its key, where it is another.
        where: file and row, for messages.

    Returns:
        An answer in our fields, without verdict and scale.
    """
    return {
        "sample_id": record[columns.get("sample_id", "question_id")],
        "question": record.get(columns.get("question", "prompt")),
        "answer": read_text(record["text"], where),
        "choices": read_options(record.get("options"), where),
        "group": record.get(columns.get("group", "category")),
        "image_id": name_images(record.get(columns.get("image_id", "image")), where),
        "verdicts": {},
    }


def read_vlmevalkit(record: Record, columns: Mapping[str, str], where: str) -> Record:
    """Read a row of VLMEvalKit's table of predictions.

    Args:
        record: `index`, `prediction`, and where they are there `question`, `answer`, `hit`,
            `score`, `category`, `image_path`, and the options `A`, `B`, ...
        columns: our field -> its column, where it is another.
        where: file and row, for messages.

    Returns:
        An answer in our fields, without scale; its verdicts are what `VERDICTS` names.
    """
    verdicts = {name: record.get(name) for name in VERDICTS}
    return {
        "sample_id": record[columns.get("sample_id", "index")],
        "question": record.get(columns.get("question", "question")),
        "answer": read_text(record["prediction"], where),
        "target": read_texts(record.get("answer"), where),
        "choices": read_lettered(record, where),
        "group": record.get(columns.get("group", "category")),
        "image_id": name_images(record.get(columns.get("image_id", "image_path")), where),
        "verdicts": {
            name: TRUTHS.get(value, value) if isinstance(value, str) else value
            for name, value in verdicts.items()
            if value not in (None, "")
        },
    }
