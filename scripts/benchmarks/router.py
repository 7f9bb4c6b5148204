"""Times training and routing of the default router on made-up rows of a real size.

Run it by itself: `python -m scripts.benchmarks.router --json bench.json`. No model and no labels.
"""

import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.benchmarks.settings import write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    from predictor.data import TrainData


SCALES = (1, 9, 36, 144, 576)
QUESTIONS_PER_IMAGE = 8


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
    from predictor.policy.budgets import choose
    from predictor.training.train import TrainSettings, train_bundle
    from predictor.training.tuning import TuningSettings

    settings = TrainSettings(kind=kind, tuning=TuningSettings() if tune else None)
    train = make_rows(rows, width, 0)
    calibration = make_rows(max(rows // 10, 100), width, 1)
    start = time.perf_counter()
    start_cpu = time.process_time()
    bundle = train_bundle(train, calibration, settings)
    trained = time.perf_counter() - start
    trained_cpu = time.process_time() - start_cpu
    asked = calibration.take(_cycle(len(calibration), routed))
    features = bundle.features.transform(asked.coarse, asked.question, asked.extras)
    start = time.perf_counter()
    lam = bundle.lambda_for_budget(72.0)
    probabilities = bundle.calibrator.transform(bundle.router.predict_proba(features))
    choose(probabilities, asked.tokens, lam)
    measured: dict[str, Any] = {
        "kind": kind,
        "rows": rows,
        "width": width,
        "tuned": tune,
        "train_s": round(trained, 2),
        "train_cpu_s": round(trained_cpu, 2),
        # Linux counts KiB.
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
        "routed": routed,
        "route_s": round(time.perf_counter() - start, 5),
    }
    print_rows([measured])
    write_measures(json_file, "router", measured)


def make_rows(count: int, width: int, seed: int) -> "TrainData":
    """Make questions about images, eight for each, whose needs depend on both."""
    import numpy as np

    from predictor.data import TrainData

    rng = np.random.default_rng(seed)
    # One world for every seed: what was learnt on one set must hold on another.
    world = np.random.default_rng(99)
    image = np.arange(count) // QUESTIONS_PER_IMAGE
    dense = rng.normal(size=image[-1] + 1)  # [images]
    asked = rng.normal(size=count)  # [n]
    signal = world.normal(size=(2, width)).astype(np.float32)
    # [images, 10, width]: 1 + 9 tokens, those of the two smallest scales.
    noise = rng.standard_normal((image[-1] + 1, 10, width), np.float32)
    # What an image shows and what a question asks for each lie along one direction, under noise.
    coarse = dense[:, None, None].astype(np.float32) * signal[0] + noise
    question = asked[:, None].astype(np.float32) * signal[1]  # [n, width]
    question += rng.standard_normal((count, width), np.float32)
    # A scale is right if it is large enough for the sum of both.
    need = dense[image] + asked + 0.3 * rng.normal(size=count)  # [n]
    return TrainData(
        sample_ids=np.array([f"{seed}-{k}" for k in range(count)]),
        image_ids=np.array([f"{seed}-{k}" for k in image]),
        groups=np.full(count, "made up"),
        coarse=coarse[image],  # [n, 10, width]
        question=question,
        scores=(need[:, None] < np.linspace(-0.5, 3.0, len(SCALES))).astype(np.float64),  # [n, s]
        tokens=np.tile(np.array(SCALES, np.float64), (count, 1)),
        scales=SCALES,
    )


def _cycle(count: int, wanted: int) -> Any:
    import numpy as np

    return np.arange(wanted) % count


if __name__ == "__main__":
    main()
