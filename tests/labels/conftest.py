"""Red images, questions about their shade, and a fake model that answers them.

Run as a program, this file labels into a folder with a slow fake: what the kill test kills.
"""

import hashlib
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.labelling.sharing import Share
from labels.outcomes.parts import FEATURES
from labels.outcomes.table import read_questions, read_table
from labels.questions import Question, QuestionSet, image_fingerprint
from m3_backbone.inference.sampling import GREEDY, spread_sampling

SCALES = (1, 9, 36)
SMALL = LabelSettings(images_per_part=2, images_per_batch=2)
DRAWN = replace(SMALL, repeats=3, sample_temperature=0.7)
N_SLOW_IMAGES = 60  # thirty parts of three scales: more than ten kills leave time for


def paint(shade):
    return Image.new("RGB", (8, 8), (shade, 0, 0))


def make_questions(n_images=5, n_each=3):
    """Image i is red of shade i; question j asks for it, or for the impossible if j is 2."""
    shades = {image_fingerprint(paint(shade)): shade for shade in range(n_images)}
    questions = [
        Question(
            f"q{shade}-{number}",
            image_id,
            f"Shade {number}?",
            (f"shade {shade}" if number < 2 else "unknown",),
            "exact",
            group=f"kind{number}",
            meta={"shade": shade},
        )
        for number in range(n_each)
        for image_id, shade in shades.items()
    ]
    return QuestionSet("toy", questions, lambda image_id: paint(shades[image_id]))


@dataclass
class FakeAnswerer:
    """Reads the shade of an image, right only from nine tokens on."""

    delay: float = 0.0
    fingerprint: str = "fake"
    dtype_name: str = "float32"
    attention: str = "sdpa"
    pooling: str = "average"
    scales: tuple = SCALES
    template: str = "USER: {} ASSISTANT:"
    n_encoded: int = 0

    def prompt(self, question):
        return self.template.format(question)

    def prepare(self, image):
        return image

    def image_flops(self, image):
        return 1000.0

    def encode(self, images):
        self.n_encoded += len(images)
        return [image.getpixel((0, 0))[0] for image in images]

    def answer_images(self, pyramids, questions, scale, **settings):
        started = time.perf_counter()
        time.sleep(self.delay)
        together = sum(map(len, questions))
        answers = [
            [self.answer(shade, text, scale, started, together) for text in texts]
            for shade, texts in zip(pyramids, questions, strict=True)
        ]
        samplings = spread_sampling(settings.get("sampling", GREEDY), questions)
        for row, of_row in zip(answers, samplings, strict=True):
            for answer, sampling in zip(row, of_row, strict=True):
                if sampling.temperature > 0:  # right or wrong, as the dice fall
                    answer.text += " or so" * (sampling.seed % 2)
                    answer.mean_logprob = -sampling.temperature * (sampling.seed % 997)
        return answers

    def answer(self, shade, text, scale, started, together):
        luck = int(hashlib.sha256(f"{shade}{text}{scale}".encode()).hexdigest()[:6], 16)
        return SimpleNamespace(
            text=f"Shade {shade}." if scale > 1 else "shade 0",
            visual_tokens=scale,
            prompt_tokens=scale + len(text.split()),
            output_tokens=2,
            mean_logprob=-luck / 2**24,
            first_margin=luck / 2**24,
            wall_ms=(time.perf_counter() - started) * 1000,
            batch_size=together,
            batch_shape=f"{together}x1x{scale}",
        )

    def answer_flops(self, answer):
        return 10.0 * answer.prompt_tokens

    def coarse_tokens(self, pyramids):
        ramp = np.arange(40, dtype=np.float32).reshape(10, 4)
        return np.stack([ramp + shade for shade in pyramids])

    def question_embedding(self, questions):
        return np.array([[len(text), text.count("S"), 0.5, 1] for text in questions], np.float32)

    def image_statistics(self, image):
        return np.array([image.width, image.getpixel((0, 0))[0]], np.float32)

    def prompt_states(self, pyramids, questions):
        pairs = zip(pyramids, questions, strict=True)
        return np.array([[shade, len(text)] for shade, text in pairs], np.float32)


def read_all(folder):
    """Everything that a run wrote, but for the measured time."""
    table = read_table(folder).drop(columns="wall_ms")
    features = [path.read_bytes() for path in sorted(folder.rglob(f"*{FEATURES}"))]
    return table, features, read_questions(folder)


def check_same(folder, expected):
    table, features, questions = read_all(folder)
    pd.testing.assert_frame_equal(table, expected[0])
    assert features == expected[1]
    assert questions == expected[2]
    assert not list(folder.rglob("*.tmp"))


@pytest.fixture(scope="session")
def toy():
    """Makers of images, questions and answerers, and readers of what was written."""
    return SimpleNamespace(
        paint=paint,
        make_questions=make_questions,
        Answerer=FakeAnswerer,
        read_all=read_all,
        check_same=check_same,
        scales=SCALES,
        small=SMALL,
        drawn=DRAWN,
        n_slow_images=N_SLOW_IMAGES,
    )


@pytest.fixture
def skip_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture
def undisturbed(tmp_path, skip_waiting_for_the_disk):
    return read_all(label(make_questions(), FakeAnswerer(), tmp_path / "whole", SMALL, False))


if __name__ == "__main__":
    os.fsync = lambda handle: None  # a killed process leaves its writes to the kernel
    slow = FakeAnswerer(float(sys.argv[2]))
    share = Share(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    settings = DRAWN if "DRAWN" in os.environ else SMALL
    label(make_questions(N_SLOW_IMAGES), slow, Path(sys.argv[1]), settings, False, share)
