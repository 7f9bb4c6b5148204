"""`python -m scripts.benchmarks.ceiling`: how near the noise ceiling is where the truth is known.

Tables of questions that were asked several times, whose chances of being right are known: those
that luck turns round, and those of every size.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.benchmarks.settings import write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    import numpy as np

    from predictor.data import FloatArray, IntArray

    World = tuple[FloatArray, IntArray]
    """Chances of being right [n, s], and the scales that a router chooses [n]."""

SCALES = (1, 9, 36, 144, 576)

NEED = (0.53, 0.24, 0.12, 0.05, 0.05, 0.01)
"""Share of the questions that need each scale, and of those that none gets right."""

FLIPPED = {"5 % flipped": 0.05, "10 % flipped": 0.1}
"""Share of the outcomes that are turned round."""

RISING, ANY = "every chance, rising with tokens", "every chance, whatever the tokens"
"""Where chances are uniform, in ascending order or not."""

WORLDS = (*FLIPPED, RISING, ANY)

REPEATS = (2, 3, 5)

PER_IMAGE = 4
"""Questions about an image."""

PRICE, SPREAD = 0.002, 0.1
"""Price of a token, and error of the router's belief, where chances are uniform."""


@click.command(cls=OneLineCommand, context_settings={"show_default": True})
@click.option("--tables", default=40, type=click.IntRange(1), help="Tables of each kind.")
@click.option("--questions", default=4000, type=click.IntRange(200), help="Questions of each.")
@json_option
def main(tables: int, questions: int, json_file: Path | None) -> None:
    """Compare the noise ceiling with what knowing the chances attains.

    Example: python -m scripts.benchmarks.ceiling --tables 2 --questions 1000
    """
    rows = []
    for world in WORLDS:
        for repeats in REPEATS:
            rows.append(compare_ceiling(world, repeats, tables, questions))
            click.echo(f"{len(rows)} of {len(WORLDS) * len(REPEATS)}", err=True)
    print_rows(rows)
    settings = {"tables": tables, "questions": questions}
    write_measures(json_file, "ceiling", {**settings, "ceilings": rows})


def compare_ceiling(world: str, repeats: int, tables: int, questions: int) -> dict[str, Any]:
    """Compare the noise ceiling with the truth.

    Args:
        world: one of `WORLDS`.
        repeats: how often each question is asked.
        tables: how many tables.
        questions: questions of each.
    """
    import numpy as np

    found = np.array([_compare(world, repeats, questions, seed) for seed in range(tables)])
    ceiling, crossed, truth, closed, true_closed, inside = found.T
    return {
        "world": world,
        "repeats": repeats,
        "true ceiling": float(truth.mean()),
        "bias": float((ceiling - truth).mean()),
        "largest error": float(np.abs(ceiling - truth).max()),
        "cross-fitted, bias": float((crossed - truth).mean()),
        "true OGC": float(true_closed.mean()),
        "OGC": float(closed.mean()),
        "inside its interval": float(inside.mean()),
    }


def _compare(world: str, repeats: int, questions: int, seed: int) -> tuple[float, ...]:
    import numpy as np

    from predictor.routing_metrics.ceiling import measure_luck
    from predictor.routing_metrics.gap import hull_at, oracle_at
    from predictor.routing_metrics.mixing import Mixture

    random = np.random.default_rng(seed)
    costs = np.array(SCALES, float)
    chances, chosen = make_world(world, questions, random)
    outcomes = (random.random((questions, repeats, len(SCALES))) < chances[:, None]).astype(float)
    images = np.arange(questions) // PER_IMAGE
    [found] = measure_luck(outcomes, costs, images, Mixture.plain(chosen[:, None]))
    at = np.array([found["tokens"]])
    ceiling = oracle_at(chances, costs, at)[0]
    hull = hull_at(costs, chances.mean(axis=0), at)[0]
    reached = chances[np.arange(questions), chosen].mean()
    closed = (reached - hull) / (ceiling - hull)
    inside = found["ogc_low"] <= closed <= found["ogc_high"]
    return found["ceiling"], found["cross_fitted"], ceiling, found["ogc"], closed, float(inside)


def make_world(world: str, questions: int, random: "np.random.Generator") -> "World":
    """Draw the chances of questions, and a router that knows them half.

    Args:
        world: one of `WORLDS`.
        questions: how many.
        random: what draws them.
    """
    import numpy as np

    count = len(SCALES)
    if world not in FLIPPED:
        chances = random.random((questions, count))
        if world == RISING:
            chances.sort(axis=1)
        believed = chances + random.normal(0, SPREAD, chances.shape)
        return chances, (believed - PRICE * np.array(SCALES)).argmax(axis=1)
    rate = FLIPPED[world]
    need = random.choice(len(NEED), size=questions, p=NEED)
    chances = np.where(np.arange(count) >= need[:, None], 1 - rate, rate)
    # A scale too low or too high for a third of the questions.
    off = need.clip(max=count - 1) + random.integers(-1, 2, questions)
    return chances, np.where(random.random(questions) < 0.5, off, need).clip(0, count - 1)


if __name__ == "__main__":
    main()
