"""Times training and routing of the default router on made-up rows of a real size.

Run it by itself: `python -m scripts.benchmarks.router --json bench.json`. No model and no labels;
features lie on the disk as a labelling run keeps them, in a temporary folder.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.benchmarks.settings import write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    from labels.outcomes.stored import StoredRows
    from predictor.data import FloatArray, IntArray, TrainData


SCALES = (1, 9, 36, 144, 576)
QUESTIONS_PER_IMAGE = 8
AT_ONCE = 256
"""Rows that are made in one go."""


@click.command(cls=OneLineCommand)
@click.option("--rows", default=50_000, show_default=True, type=click.IntRange(100))
@click.option("--routed", default=10_000, show_default=True, type=click.IntRange(1))
@click.option(
    "--width", default=384, show_default=True, type=click.IntRange(4), help="Width of the tokens."
)
@click.option("--kind", default="boosted", show_default=True)
@click.option("--tune/--no-tune", default=True, show_default=True)
@json_option
def main(rows: int, routed: int, width: int, kind: str, tune: bool, json_file: Path | None) -> None:
    """Time the training of a router and the routing of feature rows, and show the peak memory.

    Example: python -m scripts.benchmarks.router --rows 50000
    """
    with tempfile.TemporaryDirectory() as folder:
        train = make_rows(rows, width, 0, Path(folder))
        calibration = make_rows(max(rows // 10, 100), width, 1, Path(folder))
        measured = _measure(train, calibration, routed, kind, tune)
    print_rows([measured])
    write_measures(json_file, "router", measured)


def _measure(
    train: "TrainData", calibration: "TrainData", routed: int, kind: str, tune: bool
) -> dict[str, Any]:
    from predictor.training.train import TrainSettings, train_bundle
    from predictor.training.tuning import TuningSettings

    settings = TrainSettings(kind=kind, tuning=TuningSettings() if tune else None)
    start = time.perf_counter()
    start_cpu = time.process_time()
    bundle = train_bundle(train, calibration, settings)
    trained = time.perf_counter() - start
    trained_cpu = time.process_time() - start_cpu
    asked = calibration.take(_cycle(len(calibration), routed))
    features = bundle.features.transform(asked.coarse, asked.question, asked.extras)
    start = time.perf_counter()
    price = bundle.price(72.0)
    probabilities = bundle.calibrator.transform(bundle.router.predict_proba(features))
    price.choose(probabilities, asked.tokens)
    return {
        "kind": kind,
        "rows": len(train),
        "width": train.question.shape[1],
        "tuned": tune,
        "train_s": round(trained, 2),
        "train_cpu_s": round(trained_cpu, 2),
        # Linux counts KiB.
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
        "routed": routed,
        "route_s": round(time.perf_counter() - start, 5),
    }


def make_rows(count: int, width: int, seed: int, folder: Path) -> "TrainData":
    """Make questions about images, eight for each, whose needs depend on both.

    Args:
        count: number of questions.
        width: width of the tokens.
        seed: seed of the numbers.
        folder: where the features go.
    """
    import numpy as np

    from predictor.data import TrainData

    rng = np.random.default_rng(seed)
    # One world for every seed: what was learnt on one set must hold on another.
    world = np.random.default_rng(99)
    image = np.arange(count) // QUESTIONS_PER_IMAGE
    dense = rng.normal(size=image[-1] + 1)  # [images]
    asked = rng.normal(size=count)  # [n]
    signal = world.normal(size=(2, width)).astype(np.float32)

    def add_noise(along: "FloatArray") -> "FloatArray":
        return (along + rng.standard_normal(along.shape, np.float32)).astype(np.float16)

    # What an image shows and what a question asks for each lie along one direction, under noise.
    coarse = _store(
        folder / f"coarse-{seed}",
        # 1 + 9 tokens, those of the two smallest scales [k, 10, width].
        lambda rows: add_noise(np.tile(dense[rows, None, None] * signal[0], (1, 10, 1))),
        image,
    )
    question = _store(
        folder / f"question-{seed}",
        lambda rows: add_noise(asked[rows, None] * signal[1]),
        np.arange(count),
    )
    # A scale is right if it is large enough for the sum of both.
    need = dense[image] + asked + 0.3 * rng.normal(size=count)  # [n]
    return TrainData(
        sample_ids=np.array([f"{seed}-{k}" for k in range(count)]),
        image_ids=np.array([f"{seed}-{k}" for k in image]),
        groups=np.full(count, "made up"),
        coarse=coarse,
        question=question,
        scores=(need[:, None] < np.linspace(-0.5, 3.0, len(SCALES))).astype(np.float64),  # [n, s]
        tokens=np.tile(np.array(SCALES, np.float64), (count, 1)),
        scales=SCALES,
    )


def _store(
    path: Path, make: "Callable[[IntArray], FloatArray]", places: "IntArray"
) -> "StoredRows":
    """Write made-up rows as float16, and give those at `places`, ascending from 0."""
    import numpy as np

    from labels.outcomes.stored import StoredArray, StoredRows

    numbers = np.arange(places[-1] + 1)
    with path.open("wb") as file:
        for start in range(0, len(numbers), AT_ONCE):
            block = make(numbers[start : start + AT_ONCE])
            file.write(block.tobytes())
    stored = StoredArray(path, 0, block.dtype, (len(numbers), *block.shape[1:]))
    return StoredRows([stored], np.zeros_like(places), places)


def _cycle(count: int, wanted: int) -> Any:
    import numpy as np

    return np.arange(wanted) % count


if __name__ == "__main__":
    main()
