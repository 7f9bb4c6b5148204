"""Commands with options that are wrong, or right in an odd company.

Which options there are, and of what kind, is read off the commands, so a new one is tried too.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from scripts.fuzzing.values import draw_number, draw_path, draw_text
from scripts.fuzzing.world import World
from scripts.terminal.option_types import MOST, Whole

_TRAIN = "--outcomes runs/outcomes --calibration runs/calibration --kind linear"
_SPLIT = "--outcomes runs/outcomes --split 60/20/20"
BASES: Final[dict[str, tuple[str, ...]]] = {
    "oracle": ("--outcomes runs/outcomes", "--outcomes runs/imported"),
    "audit": (
        "--outcomes runs/imported --again runs/imported",
        "--outcomes runs/outcomes --rerun 1",
    ),
    "verify": (
        "--router runs/router --outcomes runs/calibration",
        f"--router runs/router {_SPLIT}",
    ),
    "import": ("--table table.csv --out fresh",),
    "compact": ("--outcomes runs/outcomes",),
    "label": (
        "--source questions.jsonl --limit 1 --scale 1 --out fresh",
        "--source asked.jsonl --limit 2 --skip-bad --scale 1 --out fresh",
    ),
    "features": ("--outcomes runs/imported --source asked.jsonl", "--outcomes runs/outcomes"),
    "ask": (
        "--image 0.png --scale 1 what?",
        "--image 0.png --router runs/router --budget 100 what?",
    ),
    "train": (f"{_TRAIN} --no-tune --out fresh", f"{_SPLIT} --kind linear --no-tune --out fresh"),
    "ablate": (f"{_TRAIN} --seeds 1", f"{_SPLIT} --kind linear --seeds 1"),
    "profile": (
        "--source questions.jsonl --limit 1 --repeats 1 --max-new-tokens 1 --out fresh.json",
    ),
    # Refused, for its router was trained on other labels: figures take half a minute.
    "report": (f"{_SPLIT} --router runs/router --seeds 1 --out fresh",),
    # Refused, for the table has no images: a demo takes a minute.
    "demo": ("--source table.csv --scale 1 --scale 9 --seeds 1 --kind linear --out fresh",),
    "finetune": (
        "--model m3-mini --data talks.json --images . --steps 1 --batch 1 --scales 1 --out fresh",
    ),
    "convert": ("official fresh", "m3-mini fresh --to official"),
    # Nothing is ever sent or fetched: a name or a folder is missing.
    "push": ("runs/router",),
    "pull": ("nobody/nothing",),
}
"""Command -> calls that work, but for what a home without a network and much time cannot do."""

_LABELS = ("runs/outcomes", "runs/calibration", "runs/imported", "runs")
_LEVELS = ("0.1,0.1", "0.02", "1e-300,1e-300", "nan,0.1", "0.1,0.1,0.1")
LIKELY: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("--outcomes", "--calibration", "--again", "--train", "--test"), _LABELS),
    **dict.fromkeys(("--outside", "--rephrased", "--status"), _LABELS),
    **dict.fromkeys(("--certify", "--certified"), _LEVELS),
    "--split": ("60/20/20", "40/30/30", "98/1/1", "60/40", "nan/20/20", "1e400/0/0", "test"),
    "--source": ("questions.jsonl", "table.csv", "talks.json", "scenes:test", "0.png", "nope:x"),
    "--data": ("talks.json", "scenes", "questions.jsonl"),
    "--model": ("m3-mini", "official", "checkpoint", "runs/router"),
    "--vision-tower": ("m3-mini", "official", "checkpoint"),
    "--template": ("vicuna_v1", "llava-1.5", "notes.txt", "0.png"),
    "--device": ("cpu", "cpu:9", "meta", "cuda", "hpu", "mps", "privateuseone:0"),
    "--device-map": ("auto", "balanced", "cpu", '{"": "cpu"}', "{}"),
    "--column": ("question=question", "image=image", "question=nope", "foo=bar", "image=question"),
    "--metric": ("exact", "vqa", "anls", "reference"),
    "--answers": ("questions.jsonl", "table.csv", "talks.json"),
    "--questions": ("questions.jsonl", "table.csv"),
    "--samples": ("1=table.csv", "9=questions.jsonl", "x=table.csv"),
    "--shard": ("0/1", "1/2", "2/2", "0/0"),
    "--kind": ("linear", "knn", "constant", "mlp", "linear,knn"),
    "--scales": ("1,9", "9,1", "1,1", "36"),
    "--router": ("runs/router", "runs"),
    "--run": ("runs", "."),
    "--image": ("0.png", "table.csv"),
    "--images": (".", "checkpoint"),
    "--image-folder": (".", "checkpoint"),
    "--video": ("0.png", "table.csv"),
}
"""Option -> values that somebody might well mean, not all of them right."""

SLOW: Final = ("--tune", "--studies")
"""Options that ask for minutes of work, which is no fault."""

FREE: Final = ("--seed", "--lora-rank", "--lora-alpha", "--max-length", "--megabytes")
"""Counts that ask for no more work when they are large."""


def draw_call(draw: random.Random, world: World) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw a call of a command with one or a few options beyond those that it needs.

    Returns:
        What stands behind `m3scale`, and the paths that it may write.
    """
    from scripts.cli import main

    name = draw.choice(list(BASES))
    # The commands are imported only when they are asked for by name.
    command = main.get_command(click.Context(main), name)
    options = [
        option
        for option in (command.params if command else ())
        if isinstance(option, click.Option) and not {*option.opts}.intersection(SLOW)
    ]
    words = draw.choice(BASES[name]).split()
    for option in draw.sample(options, min(draw.choice((1, 1, 1, 2, 3)), len(options))):
        words += _draw_option(draw, option)
    return (name, *words), _list_outputs(name, words, world)


def _draw_option(draw: random.Random, option: click.Option) -> list[str]:
    flag = option.opts[0]
    if option.is_flag:
        return [flag]
    likely = LIKELY.get(flag, ())
    if isinstance(option.type, click.Choice):
        likely = tuple(map(str, option.type.choices))
    values = [
        draw.choice(likely) if likely and draw.random() < 0.5 else _draw_value(draw, option, flag)
        for _ in range(option.nargs)
    ]
    return [flag, *values]


def _draw_value(draw: random.Random, option: click.Option, flag: str) -> str:
    if isinstance(option.type, click.Path):
        return draw_path(draw)
    if not isinstance(option.type, click.FloatRange | click.IntRange):
        return draw.choice((draw_text, draw_text, draw_number, draw_path))(draw)
    value = draw_number(draw)
    if not isinstance(option.type, Whole) or flag in FREE:
        return value
    # Real work is no fault, nor is a process for every one of ten million.
    work = len(value) < 20 and value.strip().isdecimal() and 2 < int(value) <= MOST
    return "2" if work else value


def _list_outputs(name: str, words: list[str], world: World) -> tuple[str, ...]:
    pairs = list(zip(words, words[1:], strict=False))
    # Both add to the folder that they read.
    written = ["--outcomes"] if name in ("compact", "features") else ["--out", "--json"]
    places = [value for flag, value in pairs if flag in written]
    if "--markdown" in words:  # RESULTS FILE
        places.append(words[words.index("--markdown") + 2])
    run = [value for flag, value in pairs if flag == "--run"]
    # Parts of a run that a command writes by itself.
    places += [f"{one}/{part}".removeprefix("./") for one in run for part in ("report", "router")]
    if name == "convert":
        places.append("fresh")
    return tuple(places + [real for place in places if (real := _follow(place, world)) is not None])


def _follow(place: str, world: World) -> str | None:
    """Name the file below the home that a link there leads to; None if there is none."""
    link = world.spare / place
    try:
        target: Path = link.resolve() if link.is_symlink() else link
        return target.relative_to(world.spare).as_posix()
    # A NUL, a name that is too long, a loop, a place that lies elsewhere.
    except (ValueError, OSError, RuntimeError):
        return None
