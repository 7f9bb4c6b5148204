"""A file of other words for questions: one JSON object a line.

`{"sample_id": "17", "paraphrases": ["...", "..."]}`, or `{"question": "...", "paraphrases": [...]}`
for all questions of that text. What this is not: a check that they ask the same.
"""

from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from annotated_types import Len

from labels.questions import Question, QuestionSet, Wordings
from m3_backbone.schemas import CLOSED, parse_saved
from m3_backbone.serialization import sha256

LINE = '{"sample_id" or "question": "...", "paraphrases": ["..."]}'


@dataclass(frozen=True)
class Line:
    """One line of the file."""

    __pydantic_config__ = CLOSED

    paraphrases: Annotated[list[str], Len(1)]
    sample_id: str | None = None
    question: str | None = None


@dataclass(frozen=True)
class Paraphrases:
    """What the file says.

    Attributes:
        of_sample: other words by sample id.
        of_text: other words by the text of a question.
    """

    of_sample: dict[str, list[str]]
    of_text: dict[str, list[str]]

    def list_words(self, question: Question) -> Sequence[str]:
        """List other words for a question: those of its sample, or else those of its text."""
        of_text = self.of_text.get(question.question, [])
        return self.of_sample.get(question.sample_id, of_text)


def add_paraphrases(questions: QuestionSet, path: Path) -> QuestionSet:
    """Give questions the other words of a file.

    Args:
        questions: the questions.
        path: the file.

    Returns:
        The set with these words; questions that the file does not name keep their own.

    Raises:
        ValueError: if a line is not of this form, or no question is named.
    """
    content = path.read_bytes()
    paraphrases = _read(path, content)
    if not any(paraphrases.list_words(question) for question in questions):
        raise ValueError(
            f"{path} names none of the {len(questions)} questions of {questions.name}; give their "
            "sample_id, or their text as question"
        )
    return questions.with_wordings(Wordings(partial(_reword, paraphrases), sha256(content)[:16]))


def _reword(paraphrases: Paraphrases, question: Question, repeat: int) -> str:
    words = paraphrases.list_words(question)
    return words[(repeat - 1) % len(words)] if words else question.question


def _read(path: Path, content: bytes) -> Paraphrases:
    found = Paraphrases({}, {})
    for number, text in enumerate(content.removeprefix(BOM_UTF8).splitlines(), 1):
        if not text.strip():
            continue
        where = f"{path}, line {number}"
        line = parse_saved(Line, text, where, f"write {LINE}")
        if (line.sample_id is None) == (line.question is None):
            raise ValueError(f"{where} must name either a sample_id or a question, as in {LINE}")
        if not all(words.strip() for words in line.paraphrases):
            raise ValueError(f"{where} has an empty paraphrase; give it words, or leave it out")
        if line.sample_id is not None:
            found.of_sample.setdefault(line.sample_id, []).extend(line.paraphrases)
        if line.question is not None:
            found.of_text.setdefault(line.question, []).extend(line.paraphrases)
    return found
