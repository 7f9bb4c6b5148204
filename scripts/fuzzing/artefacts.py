"""Bad calls of what is built on artefacts of ours: routers, adaptive answers, unfinished runs."""

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from m3_backbone.serialization import sha256, to_json
from scripts.fuzzing.interface import Drawn
from scripts.fuzzing.values import LEAVES, change_bytes, change_json, draw_text, to_text
from scripts.fuzzing.world import World

if TYPE_CHECKING:
    from m3_backbone.training.loop import TrainingLoop

ROUTER: Final = "runs/router"


def sign_router(files: dict[str, bytes]) -> None:
    """Make the hashes of a router right, as somebody would who wants it to be read.

    Args:
        files: name -> content; the config is replaced.
    """
    try:
        config = json.loads(files["config.json"])
        # The hash of the config is made of all of it but itself.
        config.pop("config_sha256", None)
        config["sha256"] = {name: sha256(files[name]) for name in config["sha256"]}
        files["config.json"] = to_json({**config, "config_sha256": sha256(to_json(config))})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return  # it cannot be signed: it is refused for that


def draw_router(draw: random.Random, world: World) -> Drawn:
    """Draw a router with one changed value in a file of JSON or an array, signed anew."""
    files = {path.name: path.read_bytes() for path in (world.spare / ROUTER).iterdir()}
    name = draw.choice(sorted(name for name in files if name != "README.md"))
    if name.endswith(".json"):
        files[name] = to_text(change_json(draw, json.loads(files[name]))).encode()
    elif name.endswith(".npz"):
        files[name] = _change_arrays(draw, world.spare / ROUTER / name)
    else:
        files[name] = change_bytes(draw, files[name])
    sign_router(files)

    def load(home: Path) -> object:
        from predictor.bundle.bundle import RouterBundle

        return RouterBundle.load(home / ROUTER)

    return f"RouterBundle {name}", {f"{ROUTER}/{one}": files[one] for one in files}, load


def _change_arrays(draw: random.Random, path: Path) -> bytes:
    """Give one array of a file other values, another shape or another type."""
    import io

    import numpy as np

    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = draw.choice(sorted(arrays))
    old = arrays.pop(name)
    if draw.random() < 0.9:
        how = draw.randrange(5)
        changed = old.astype(draw.choice(("float64", "int8", "U9", "complex64", "bool")))
        if how == 0:
            changed = np.full(old.shape, draw.choice((np.nan, np.inf, -1e300, 0.0, 2.5)))
        elif how == 1:
            changed = np.zeros(draw.choice(((), (0,), (1, 1), (7,), (3, 0, 2))), old.dtype)
        elif how == 2:
            changed = np.repeat(np.atleast_1d(old), draw.choice((0, 2, 50)), axis=0)
        elif how == 3 and old.size:
            changed = old.copy()
            changed.flat[draw.randrange(old.size)] = draw.choice((0, 1, -1, 100))
        arrays[draw.choice((name, name, name, "other"))] = changed
    target = io.BytesIO()
    np.savez(target, **arrays)
    return target.getvalue()


@cache
def _open_adaptive(router: Path) -> Any:
    from predictor.adaptive import AdaptiveM3

    return AdaptiveM3.from_pretrained("m3-mini", router)


def draw_adaptive_call(draw: random.Random, world: World) -> Drawn:
    """Draw a call of AdaptiveM3.generate with one wrong argument."""
    wrong: Any = draw.choice((*LEAVES, draw_text(draw), draw.randrange(-3, 1000), draw.random()))
    place = draw.choice(("images", "questions", "budget", "unit", "lam", "scales", "tokens"))
    listed = draw.random() < 0.5
    value: Any = [wrong] if listed else wrong

    def call(home: Path) -> object:
        from PIL import Image

        given: dict[str, Any] = {"budget": 100.0}
        if place in ("lam", "scales"):
            given = {place: value}
        elif place in ("budget", "unit"):
            given[place] = value
        # Real work is no fault.
        tokens = min(value, 2) if place == "tokens" and isinstance(value, int) else value
        return _open_adaptive(world.spare / ROUTER).generate(
            value if place == "images" else [Image.new("RGB", (48, 40))],
            value if place == "questions" else ["what?"],
            max_new_tokens=tokens if place == "tokens" else 1,
            **given,
        )

    return f"AdaptiveM3 {place} {listed} {wrong!r}"[:2000], {}, call


def draw_unfinished(draw: random.Random, world: World) -> Drawn:
    """Draw the file of an unfinished training with a damaged byte or one changed value."""
    import io

    import torch

    state: dict[str, Any] = torch.load(io.BytesIO(_save_unfinished()), weights_only=True)
    if draw.random() < 0.6:
        key = draw.choice(sorted(state))
        state[key] = draw.choice(LEAVES) if draw.random() < 0.3 else _change(draw, state[key])
    target = io.BytesIO()
    torch.save(state, target)
    content = target.getvalue()
    content = change_bytes(draw, content) if draw.random() < 0.5 else content
    return "TrainingLoop", {"u.pt": content}, lambda home: _open_loop(home / "u.pt")


def _change(draw: random.Random, value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        other = value.to(torch.int8), value * float("nan"), value[None], value.reshape(-1)[:1]
        return draw.choice(other)
    if isinstance(value, dict) and value:
        key = draw.choice(list(value))
        return {**value, key: _change(draw, value[key])}
    if isinstance(value, list) and value:
        return [_change(draw, value[0]), *value[1:]]
    return draw.choice(LEAVES)


@cache
def _save_unfinished() -> bytes:
    """Train two weights for two steps, and give what is kept of it."""
    import tempfile

    import torch

    with tempfile.TemporaryDirectory() as folder:
        loop = _open_loop(Path(folder, "u.pt"))
        for _ in loop.steps(""):
            loop.modules[0](torch.ones(1, 2)).sum().backward()
        return loop.checkpoint.read_bytes()


def _open_loop(path: Path) -> "TrainingLoop":
    import torch

    from m3_backbone.training.loop import TrainingLoop
    from m3_backbone.training.settings import LoopSettings

    settings = LoopSettings(steps=2, quiet=True)
    return TrainingLoop([(torch.nn.Linear(2, 2), 0.1)], settings, path, "a test")


ARTEFACTS: Final[dict[str, tuple[Callable[[random.Random, World], Drawn], int]]] = {
    "loaded routers": (draw_router, 20),
    "adaptive": (draw_adaptive_call, 5),
    "unfinished": (draw_unfinished, 10),
}
"""Name -> what draws it, and its share of the calls."""
