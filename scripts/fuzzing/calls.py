"""Bad calls of every command: a generator each, in the order of what they cost.

A call is a list of arguments and files to change beforehand. `out` names what the call may write;
nothing else below the home may change.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scripts.fuzzing.artefacts import ARTEFACTS, sign_router
from scripts.fuzzing.interface import DRAWS, Drawn, Work
from scripts.fuzzing.options import draw_call
from scripts.fuzzing.values import (
    change_bytes,
    change_json,
    draw_path,
    draw_text,
    to_text,
)
from scripts.fuzzing.world import World


@dataclass(frozen=True)
class Call:
    """One call of `m3scale`.

    Attributes:
        arguments: what stands behind `m3scale`, relative to the home.
        files: path below the home -> content that is written before.
        out: paths below the home that the call may write.
        work: what is done instead, where it is no command; `arguments` only describe it.
        refusals: what the work may raise for bad input.
    """

    arguments: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    out: tuple[str, ...] = ()
    work: Work | None = None
    refusals: tuple[type[Exception], ...] = (ValueError, OSError)


Generator = Callable[[random.Random, World], Call]


def options(draw: random.Random, world: World) -> Call:
    """One or a few options of a command get values that they should not have, or odd company."""
    arguments, out = draw_call(draw, world)
    return Call(arguments, out=out)


def table(draw: random.Random, world: World) -> Call:
    """`import --table` of a damaged CSV or of JSON lines with one changed value."""
    if draw.random() < 0.4:
        damaged = change_bytes(draw, (world.spare / "table.csv").read_bytes())
        return Call(
            ("import", "--table", "t.csv", "--out", "fresh"), {"t.csv": damaged}, ("fresh",)
        )
    rows: list[Any] = [
        {"sample_id": f"s{n}", "scale": scale, "answer": "a", "score": 1, "image_id": n, "group": 0}
        for n in range(3)
        for scale in (1, 9)
    ]
    lines = _lines(draw, rows)
    return Call(("import", "--table", "t.jsonl", "--out", "fresh"), {"t.jsonl": lines}, ("fresh",))


def log(draw: random.Random, world: World) -> Call:
    """`import --samples` of lmms-eval logs with one changed value."""
    rows: list[Any] = [
        {
            "doc_id": n,
            "target": "red",
            "doc": {"question": "what?", "image_id": n},
            "filtered_resps": ["red"],
            "resps": [["red"]],
            "exact_match": 1.0,
            "arguments": {"0": "what?"},
        }
        for n in range(3)
    ]
    # The second log is sound, so that the first one is read to its end and joined with it.
    files = {"a.jsonl": _lines(draw, rows), "b.jsonl": "".join(map(_line, rows)).encode()}
    call = ("import", "--samples", "1=a.jsonl", "--samples", "9=b.jsonl", "--out", "fresh")
    return Call(call, files, ("fresh",))


def manifest(draw: random.Random, world: World) -> Call:
    """A label folder whose manifest, checksums or request were edited."""
    folder = world.spare / "runs" / "imported"
    names = [p.relative_to(world.spare).as_posix() for p in folder.rglob("*") if p.is_file()]
    name = draw.choice(names)
    content = (world.spare / name).read_bytes()
    if name.endswith(".json") and draw.random() < 0.7:
        changed = to_text(change_json(draw, json.loads(content))).encode()
    else:
        changed = change_bytes(draw, content)
    command = draw.choice(("oracle", "audit", "compact", "label"))
    flag = "--status" if command == "label" else "--outcomes"
    return Call((command, flag, "runs/imported"), {name: changed}, ("runs/imported",))


def router(draw: random.Random, world: World) -> Call:
    """A router with an edited file, its hashes made right again half of the time."""
    files = {p.name: p.read_bytes() for p in (world.spare / "runs" / "router").iterdir()}
    name = draw.choice(sorted(files))
    if name.endswith(".json"):
        config = json.loads(files[name])
        files[name] = to_text(change_json(draw, config)).encode()
    else:
        files[name] = change_bytes(draw, files[name])
    # Unsigned, the first hash that is checked would refuse nearly all of them.
    if draw.random() < 0.6:
        sign_router(files)
    changed = {f"runs/router/{name}": content for name, content in files.items()}
    return Call(("verify", "--router", "runs/router"), changed)


def destination(draw: random.Random, world: World) -> Call:
    """A command that would work is pointed at a place that is taken."""
    command = draw.choice(list(DESTINATIONS))
    place = draw_path(draw)
    # A link stands for the file that it leads to.
    real = (world.spare / place).resolve().name if place == "link" else place
    # Split at tabs, since a drawn place may hold spaces.
    return Call(
        (command, *DESTINATIONS[command].format(place=place).split("\t")), out=(place, real)
    )


def source(draw: random.Random, world: World) -> Call:
    """`label` of JSON lines with one changed value; the model is asked only if all is well."""
    rows: list[Any] = [
        {"image": f"{n}.png", "question": "what?", "answers": ["red"], "metric": "exact"}
        for n in range(2)
    ]
    call = ("label", "--source", "q.jsonl", "--limit", "1", "--scales", "1", "--out", "fresh")
    return Call(call, {"q.jsonl": _lines(draw, rows)}, ("fresh",))


def picture(draw: random.Random, world: World) -> Call:
    """`ask` about a damaged picture."""
    content = change_bytes(draw, (world.spare / "0.png").read_bytes())
    # An empty question would be refused before the picture is opened.
    call = ("ask", "--scale", "1", "--image", "p.png", draw_text(draw) or "what?")
    return Call(call, {"p.png": content})


def _call_of(function: Callable[[random.Random, World], Drawn]) -> Generator:
    def generate(draw: random.Random, world: World) -> Call:
        what, files, work = function(draw, world)
        # A wrong type handed to a function of Python is the caller's defect, and told as one.
        typed = (TypeError,) if what.startswith(("M3Backbone", "AdaptiveM3")) else ()
        return Call((what,), files, work=work, refusals=(ValueError, OSError, *typed))

    return generate


def _alone(function: Callable[[random.Random], Drawn]) -> Callable[[random.Random, World], Drawn]:
    return lambda draw, _: function(draw)


def _line(row: Any) -> str:
    return to_text(row) + "\n"


def _lines(draw: random.Random, rows: list[Any]) -> bytes:
    changed = list(rows)
    place = draw.randrange(len(rows))
    changed[place] = change_json(draw, changed[place])
    if draw.random() < 0.1:
        changed[place] = change_json(draw, draw.choice((None, [], {}, 0, "x", rows)))
    text = "".join(map(_line, changed)).encode("utf-8", "surrogatepass")
    return change_bytes(draw, text) if draw.random() < 0.1 else text


DESTINATIONS: Final = {
    "import": "--table\ttable.csv\t--out\t{place}",
    "oracle": "--outcomes\truns/outcomes\t--json\t{place}",
    "audit": "--outcomes\truns/imported\t--json\t{place}",
    "verify": "--router\truns/router\t--json\t{place}",
    "train": (
        "--outcomes\truns/outcomes\t--calibration\truns/calibration\t--no-tune\t--kind\tlinear"
        "\t--out\t{place}"
    ),
    "convert": "checkpoint\t{place}",
    "label": "--source\tquestions.jsonl\t--limit\t1\t--scales\t1\t--out\t{place}",
}
"""Command -> arguments that work, separated by tabs, with a place to write to."""

GENERATORS: Final[dict[str, tuple[Generator, int]]] = {
    "options": (options, 8),
    "table": (table, 12),
    "log": (log, 6),
    "manifest": (manifest, 8),
    "router": (router, 8),
    "destination": (destination, 4),
    "source": (source, 2),
    "picture": (picture, 1),
    **{name: (_call_of(function), share) for name, (function, share) in ARTEFACTS.items()},
    **{name: (_call_of(_alone(function)), share) for name, (function, share) in DRAWS.items()},
}
"""Name -> generator, and its share of the calls."""
