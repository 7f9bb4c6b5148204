"""`python -m scripts.benchmarks.numerics`: how often an answer depends on the way it is read."""

import statistics
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.benchmarks.settings import NumericsSettings, write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_rows

if TYPE_CHECKING:
    from m3_backbone.backbone import Answer

WHOLE = "float32"


@click.command(cls=OneLineCommand)
@settings_options(NumericsSettings, "settings")
@json_option
def main(settings: NumericsSettings, json_file: Path | None) -> None:
    """Count the answers that differ between one by one, padded and packed, and from float32.

    Sums that are taken in another order round apart, and near ties then fall the other way.

    Example: python -m scripts.benchmarks.numerics --dtype float16
    """
    answers = {dtype: _read_all(settings, dtype) for dtype in (WHOLE, settings.dtype)}
    half = answers[settings.dtype]
    exact = answers[WHOLE]["packed"]
    pairs = {
        f"{settings.dtype}: packed, padded": (half["packed"], half["padded"]),
        f"{settings.dtype}: packed, one by one": (half["packed"], half["alone"]),
        f"{settings.dtype}: padded, one by one": (half["padded"], half["alone"]),
        f"packed: {settings.dtype}, {WHOLE}": (half["packed"], exact),
    }
    rows = [{"compared": name, **_compare(*pair, exact)} for name, pair in pairs.items()]
    print_rows(rows)
    margin = statistics.median(one.first_margin for one in exact)
    click.echo(f"median margin of the first token in {WHOLE}: {margin:.3g} nats")
    content = {**asdict(settings), "median_margin": margin, "pairs": rows}
    write_measures(json_file, "numerics", content, settings.device)


def _read_all(settings: NumericsSettings, dtype: str) -> dict[str, list["Answer"]]:
    """Answer every question at every scale in three ways."""
    from m3_backbone.inference.sampling import Sampling
    from scripts.benchmarks.label_timing import pick_questions
    from scripts.benchmarks.models import make_questions, open_model

    size = settings.size.removesuffix("-shape")
    backbone = open_model(size, settings.device, dtype, settings.layers)
    source = make_questions(size, settings.images, settings.each)
    groups = pick_questions(source, settings.images, settings.each).by_image()
    pyramids = backbone.encode([source.image(group[0].image_id) for group in groups])
    texts = [[one.question for one in group] for group in groups]
    owners = [pyramid for pyramid, row in zip(pyramids, texts, strict=True) for _ in row]
    flat = [text for row in texts for text in row]
    limit = settings.max_new_tokens

    def read_rows(batch: int) -> list["Answer"]:
        return [
            answer
            for scale in backbone.scales
            for answer in backbone.generate(
                owners, flat, scale, max_new_tokens=limit, batch_size=batch
            )
        ]

    packed = [
        answer
        for scale in backbone.scales
        for row in backbone.answer_images(pyramids, texts, scale, sampling=Sampling(limit))
        for answer in row
    ]
    return {"alone": read_rows(1), "padded": read_rows(32), "packed": packed}


def _compare(
    first: list["Answer"], second: list["Answer"], exact: list["Answer"]
) -> dict[str, Any]:
    differ = [
        answer.first_margin
        for answer, *pair in zip(exact, first, second, strict=True)
        if pair[0].token_ids != pair[1].token_ids
    ]
    return {
        "answers": len(exact),
        "differ": len(differ),
        "share": len(differ) / len(exact),
        "at the first token": sum(
            one.token_ids[0] != other.token_ids[0] for one, other in zip(first, second, strict=True)
        ),
        "their median margin": statistics.median(differ) if differ else None,
    }


if __name__ == "__main__":
    main()
