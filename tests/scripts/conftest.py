"""A tiny random LLaVA on disk, and questions about noise that it gets right at some scales."""

import json

import numpy as np
import pytest
from PIL import Image

from labels.outcomes.table import read_features, read_table

HALF = [f"w{number}" for number in range(0, 128, 2)]
"""Accepted answers: half of what a random model says is right."""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, tiny_llava):
    return str(tiny_llava.save(tmp_path_factory.mktemp("tiny-llava")))


@pytest.fixture(scope="session")
def write_source():
    """A function that writes noise images and a JSONL of two questions about each."""

    def write(folder, count, seed):
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed)
        lines = []
        for index in range(count):
            pixels = noise.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((48, 48), Image.Resampling.NEAREST)
            image.save(folder / f"{index}.png")
            for word in ("what", "where"):
                line = {
                    "sample_id": f"{index}-{word}",
                    "image": f"{index}.png",
                    "question": f"{word} ?",
                    "answers": HALF,
                    "group": word,
                }
                lines.append(json.dumps(line))
        path = folder / "questions.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def check_same():
    """A function that compares two runs: table but for the times, features, nothing hidden left."""

    def check(whole, folder):
        expected, actual = (read_table(one).drop(columns="wall_ms") for one in (whole, folder))
        assert actual.equals(expected)
        samples = sorted(set(expected["sample_id"]))
        pairs = zip(read_features(whole, samples), read_features(folder, samples), strict=True)
        for one, other in pairs:
            assert np.array_equal(one, other)
        assert not list(folder.rglob(".*"))

    return check
