"""Bad calls of the Python interface, and of readers behind it, inside this process.

A generator draws what is handed over; the call is made later, so that its input can be counted.
"""

import io
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from scripts.fuzzing.values import LEAVES, change_bytes, change_json, draw_text, flip_bytes, to_text

Work = Callable[[Path], object]
"""What is done in the user's home."""

Drawn = tuple[str, dict[str, bytes], Work]
"""What is called and with what; files that are written before; the call."""


@cache
def _open_backbone() -> Any:
    from m3_backbone.backbone import M3Backbone

    return M3Backbone.from_pretrained("m3-mini")


@cache
def _open_pyramid() -> Any:
    from PIL import Image

    return _open_backbone().encode([Image.new("RGB", (48, 40))])[0]


def draw_picture(draw: random.Random) -> Drawn:
    """Draw an image file of any format, damaged mostly at its head."""
    content = _make_picture(draw)
    for _ in range(draw.choice((0, 1, 1, 2))):
        # Mostly single bytes: a picture that has lost its head is refused for that alone.
        content = (flip_bytes if draw.random() < 0.8 else change_bytes)(draw, content)

    def read(home: Path) -> object:
        from m3_backbone.images import load_image

        return load_image(home / "p.bin")

    return "load_image", {"p.bin": content}, read


FORMATS: Final = (
    "PNG",
    "JPEG",
    "GIF",
    "WEBP",
    "TIFF",
    "BMP",
    "PPM",
    "JPEG2000",
    "AVIF",
    "ICO",
    "DDS",
)
MODES: Final = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "I", "F")


def _make_picture(draw: random.Random) -> bytes:
    from PIL import Image

    size = draw.choice(((1, 1), (9, 8), (48, 40), (17, 60), (8, 900)))
    image = Image.new("RGB", size, (draw.randrange(256), 9, 200)).convert("L")
    image = image.convert(draw.choice(MODES)) if draw.random() < 0.5 else image.convert("RGB")
    options: dict[str, Any] = {}
    kind = draw.choice(FORMATS)
    # Writing damaged EXIF ends the process in libavif; only reading is tried here.
    if draw.random() < 0.3 and kind != "AVIF":
        exif = Image.Exif()
        exif[0x0112] = draw.choice((0, 1, 6, 8, 9, 65535))
        options["exif"] = change_bytes(draw, exif.tobytes()) or b"Exif\x00\x00"
    if draw.random() < 0.2:
        options |= {"save_all": True, "append_images": [image] * draw.randrange(1, 5)}
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except Exception:
        # Not every format has every mode and option, and damaged EXIF raises anything there is.
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def draw_conversations(draw: random.Random) -> Drawn:
    """Draw a conversation file of `finetune` with one changed value."""
    entries: list[Any] = [
        {
            "id": str(number),
            "image": "0.png",
            "conversations": [
                {"from": "human", "value": "<image>\nwhat colour?"},
                {"from": "gpt", "value": "red"},
            ],
        }
        for number in range(2)
    ]
    changed = change_json(draw, change_json(draw, entries))
    lines = isinstance(changed, list) and draw.random() < 0.3
    text = "\n".join(map(to_text, changed)) if lines else to_text(changed)
    content = text.encode("utf-8", "surrogatepass")
    if draw.random() < 0.15:
        content = change_bytes(draw, content)
    name = draw.choice(("talks.json", "t.jsonl", "t.yaml", "t.txt"))

    def read(home: Path) -> object:
        from labels.sources.llava_conversations import read_conversations

        return read_conversations(home / name, home)

    return f"read_conversations {name}", {name: content}, read


KINDS: Final = ("jsonl", "ndjson", "json", "csv", "tsv", "parquet", "jsonl.gz", "xlsx", "txt")


def draw_questions(draw: random.Random) -> Drawn:
    """Draw a file of questions, of each kind that is read, with one changed value or byte."""
    rows: list[Any] = [
        {"image": f"{n}.png", "question": "what?", "answers": ["red"], "metric": "exact"}
        for n in range(2)
    ]
    kind = draw.choice(KINDS)
    content = _pack_rows(draw, change_json(draw, rows), kind)
    if draw.random() < 0.2:
        content = change_bytes(draw, content)
    name = f"q.{kind}"

    def read(home: Path) -> object:
        from labels.sources.loading import load_questions

        return load_questions(str(home / name))

    return f"load_questions {name}", {name: content}, read


def _pack_rows(draw: random.Random, rows: Any, kind: str) -> bytes:
    import gzip

    import pandas as pd

    if kind in ("json", "txt") or not isinstance(rows, list):
        wrapped = rows if draw.random() < 0.5 else {draw.choice(("data", "questions", "x")): rows}
        return to_text(wrapped).encode()
    text = "".join(to_text(row) + "\n" for row in rows).encode()
    try:
        if kind in ("csv", "tsv"):
            table = pd.DataFrame(rows).to_csv(index=False, sep="\t" if kind == "tsv" else ",")
            return bytes(table.encode("utf-8", "surrogatepass"))
        if kind == "parquet":
            return bytes(pd.DataFrame(rows).to_parquet())
    except (ValueError, TypeError, OverflowError, AttributeError, RuntimeError):
        return text  # no table holds such a value
    return gzip.compress(text, mtime=0) if kind == "jsonl.gz" else text


def draw_checkpoint(draw: random.Random) -> Drawn:
    """Draw m3-mini with one changed file: a field, a byte, or the header of its weights."""
    from m3_backbone.checkpoints.loading import embedded_path

    names = sorted(path.name for path in embedded_path().iterdir() if path.suffix != ".md")
    name = draw.choice([*names, "config.json", "config.json"])
    content = (embedded_path() / name).read_bytes()
    if name.endswith(".json") and draw.random() < 0.8:
        changed = to_text(change_json(draw, json.loads(content))).encode()
    elif name.endswith(".safetensors"):
        # Its head says what is in it; flips in the weights are only other weights.
        changed = change_bytes(draw, content[:4000]) + content[4000:]
    else:
        changed = change_bytes(draw, content)

    def read(home: Path) -> object:
        import torch

        from m3_backbone.checkpoints.loading import read_checkpoint

        folder = home / "damaged"
        for path in embedded_path().iterdir():
            if path.name != name:
                (folder / path.name).symlink_to(path)
        return read_checkpoint(folder, torch.float32)

    return f"read_checkpoint {name}", {f"damaged/{name}": changed}, read


def draw_model_call(draw: random.Random) -> Drawn:
    """Draw a call of M3Backbone with wrong images, questions, scales or counts."""
    wrong: Any = draw.choice((*LEAVES, draw_text(draw), draw.randrange(-3, 1000), draw.random()))
    place = draw.choice(("images", "questions", "scales", "tokens", "batch", "prompt", "budget"))
    listed = draw.random() < 0.5

    def call(home: Path) -> object:
        backbone, value = _open_backbone(), [wrong] if listed else wrong
        if place == "images":
            return backbone.encode(value)
        if place == "prompt":
            return backbone.prompt(value)
        questions = value if place == "questions" else ["what?"]
        scales = value if place == "scales" else 1
        if place == "budget":
            return backbone.answer_images([_open_pyramid()], [questions], 1, token_budget=value)
        tokens = value if place == "tokens" else 1
        # Real work is no fault.
        if isinstance(tokens, int) and tokens > 64:
            tokens = 64
        batch = value if place == "batch" else 1
        return backbone.generate(
            [_open_pyramid()], questions, scales, max_new_tokens=tokens, batch_size=batch
        )

    return f"M3Backbone {place} {listed} {wrong!r}"[:2000], {}, call


def draw_metric(draw: random.Random) -> Drawn:
    """Draw a prediction and answers for a metric."""
    from labels.metrics.registry import METRICS

    name = draw.choice(sorted(METRICS))
    said = draw_text(draw)
    answers = [draw_text(draw) for _ in range(draw.randrange(4))]

    def score(home: Path) -> object:
        from labels.metrics.registry import check_scorable, score_answer
        from labels.questions import Question

        question = Question("s", "i", "what?", tuple(answers), name)
        check_scorable(question)
        return score_answer(said, question)

    return f"{name} {said!r} {to_text(answers)}"[:2000], {}, score


DRAWS: Final[dict[str, tuple[Callable[[random.Random], Drawn], int]]] = {
    "images": (draw_picture, 40),
    "conversations": (draw_conversations, 20),
    "questions": (draw_questions, 20),
    "checkpoints": (draw_checkpoint, 4),
    "model": (draw_model_call, 10),
    "metrics": (draw_metric, 20),
}
"""Name -> what draws it, and its share of the calls."""
