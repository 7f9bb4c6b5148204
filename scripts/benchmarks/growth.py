"""`python -m scripts.benchmarks.growth`: memory and speed of `label` while the table grows."""

import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from scripts.benchmarks.settings import write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    from labels.labelling.answerer import Answerer
    from labels.questions import QuestionSet


EACH = 5
"""Questions per image."""

QUARTERS = 4

SIDE = 64
"""Side of an image [pixels]."""

WIDTH = 192
"""Width of m3-mini's tokens."""


@click.command(cls=OneLineCommand, context_settings={"show_default": True})
@click.option("--questions", default=20000, type=click.IntRange(QUARTERS * EACH))
@click.option("--model", help="Checkpoint that answers; without one, a stand-in that only says so.")
@json_option
def main(questions: int, model: str | None, json_file: Path | None) -> None:
    """Label made-up questions, five per image, and print memory and speed of each quarter.

    The first quarter also imports what writes tables.

    Example: python -m scripts.benchmarks.growth --questions 20000
    """
    rows = measure_growth(questions, model)
    print_rows(rows)
    content = {"questions": questions, "model": model, "quarters": rows}
    write_measures(json_file, "growth", content)


def measure_growth(n_questions: int, model: str | None) -> list[dict[str, float]]:
    """Label, and look at the process each time a quarter of the images has been encoded."""
    from labels.labelling.run import label
    from labels.labelling.settings import LabelSettings
    from scripts.stages.model import Opening, open_backbone

    answerer = open_backbone(Opening(model)) if model else StandIn()
    questions = make_questions(n_questions // EACH)
    watch = Watch(answerer, len(questions.image_ids))
    # The process is looked at between batches: none may hold more than a quarter.
    settings = LabelSettings(images_per_batch=min(watch.every, LabelSettings.images_per_batch))
    with tempfile.TemporaryDirectory() as name:
        label(questions, as_answerer(watch), Path(name) / "run", settings, progress=False)
        watch.note()
    starts = watch.notes[:-1]  # a note stands at the start of each quarter, and one at the end
    return [
        {
            "questions so far": EACH * after[0],
            "resident MiB": after[1] / 2**20,
            "questions/s": EACH * (after[0] - before[0]) / (after[2] - before[2]),
            "CPU ms/question": 1000 * (after[3] - before[3]) / (EACH * (after[0] - before[0])),
        }
        for before, after in zip(starts, watch.notes[1:], strict=True)
    ]


class Watch:
    """An answerer that notes memory and time; all else is done by the one that it watches."""

    def __init__(self, answerer: Any, n_images: int) -> None:
        self.answerer = answerer
        self.every = n_images // QUARTERS
        self.encoded = 0
        self.notes: list[tuple[int, int, float, float]] = []

    def __getattr__(self, name: str) -> Any:
        """Hand everything on."""
        # Asked only for names that are not found here, so `encode` and `note` stay ours.
        return getattr(self.answerer, name)

    def encode(self, images: Any) -> Any:
        """Count images on their way."""
        # At the first batch at or past a quarter; what the division leaves over is in the last one.
        if len(self.notes) < QUARTERS and self.encoded >= self.every * len(self.notes):
            self.note()
        self.encoded += len(images)
        return self.answerer.encode(images)

    def note(self) -> None:
        """Note images so far, memory in use [bytes], the time and the CPU time [s]."""
        # The CPU time counts all threads, and is steadier on a busy machine.
        clocks = time.perf_counter(), time.process_time()
        self.notes.append((self.encoded, read_resident(), *clocks))


class StandIn:
    """Answers at once, with numbers as wide as m3-mini's."""

    fingerprint = "stand-in"
    dtype_name = "float32"
    attention = "none"
    pooling = "average"
    scales = (1, 9, 36, 144, 576)

    def prompt(self, question: str) -> str:
        """Give the question."""
        return question

    def prepare(self, image: Any) -> Any:
        """Give the image."""
        return image

    def image_flops(self, image: Any) -> float:
        """Count nothing."""
        return 0.0

    def answer_flops(self, answer: Any) -> float:
        """Count nothing."""
        return 0.0

    def encode(self, images: Any) -> list[Any]:
        """Read one pixel of each image."""
        return [image.getpixel((0, 0)) for image in images]

    def answer_images(self, pyramids: Any, questions: Any, scale: int, **settings: int) -> Any:
        """Say yes."""
        numbers = {"mean_logprob": -0.1, "first_margin": 1.0, "wall_ms": 0.0, "output_tokens": 2}
        batch = {"batch_size": 1, "batch_shape": "1x1x1"}
        answer = SimpleNamespace(
            text="yes", visual_tokens=scale, prompt_tokens=scale + 9, **numbers, **batch
        )
        return [[answer for _ in group] for group in questions]

    def coarse_tokens(self, pyramids: Any) -> Any:
        """Give zeros [n, 10, D]."""
        import numpy as np

        return np.zeros((len(pyramids), 10, WIDTH), np.float32)

    def question_embedding(self, questions: Any) -> Any:
        """Give zeros [n, D]."""
        import numpy as np

        return np.zeros((len(questions), WIDTH), np.float32)


def as_answerer(watch: Watch) -> "Answerer":
    """Tell the type checker what `Watch` hands on."""
    whole: Any = watch
    answerer: Answerer = whole
    return answerer


def make_questions(n_images: int) -> "QuestionSet":
    """Ask five questions about each of many small images of one colour."""
    from PIL import Image

    from labels.questions import Question, QuestionSet, image_fingerprint

    def paint(number: int) -> Image.Image:
        # To base 256: no two are alike.
        colour = (number % 256, number // 256 % 256, number // 256**2)
        return Image.new("RGB", (SIDE, SIDE), colour)

    numbers = {image_fingerprint(paint(number)): number for number in range(n_images)}
    asked = [
        Question(f"q{number}-{place}", image_id, f"Is it number {place}?", ("yes",), "exact")
        for image_id, number in numbers.items()
        for place in range(EACH)
    ]
    # Painted anew each time, so that images kept in memory do not look like a growing table.
    return QuestionSet("made up", asked, lambda image_id: paint(numbers[image_id]))


def read_resident() -> int:
    """Read the memory of this process now, where Linux tells it, else its peak [bytes]."""
    import os

    from scripts.benchmarks.timing import peak_bytes

    status = Path("/proc/self/statm")
    if status.exists():
        # The second number is that of resident pages.
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_bytes("cpu")


if __name__ == "__main__":
    main()
