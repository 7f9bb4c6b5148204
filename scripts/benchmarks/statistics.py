"""Simulates certificates of every loss and unit, and shows whether they hold and what they cost.

Run it by itself: `python -m scripts.benchmarks.statistics --json docs/statistics.json --markdown
docs/statistics.md`. No model and no labels; a run that was stopped goes on where it was.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import click
from annotated_types import Ge

from m3_backbone.files import write_atomically, write_json
from m3_backbone.schemas import CLOSED, read_saved
from scripts.benchmarks.simulated.certificates import (
    SIZES,
    WORLDS,
    Simulated,
    list_claims,
    simulate,
)
from scripts.stages.provenance import describe_code
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import LARGEST_SEED, Whole
from scripts.terminal.output import print_rows

ALPHA, DELTA = 0.05, 0.05

HEAD = (
    "world",
    "images",
    "claim",
    "broken",
    "within delta",
    "refused",
    "always the largest",
    "tokens",
    "cheapest safe",
    "ratio",
    "least ratio",
)

INTRODUCTION = """# Simulated certificates

Whether certificates hold where the truth is known, and what they cost. Made by
`{command}`,
code {code}; nothing is typed by hand.

A world is {images} images with outcomes and a router's noisy belief. Calibration splits are drawn
from it with replacement, {draws} for each row, and certified with the shipped test at delta =
{delta:g}. *Broken* is the share of splits whose choice breaks its claim over the whole world; it
may be at most delta, and the Monte Carlo error beside it is one standard error at delta. *Refused*
are splits with too few images for the claim, *always the largest* those that save nothing. The
*ratio* is the mean cost over that of the cheapest candidate that keeps the claim in truth, which
nobody can know beforehand. The *least ratio* is computed, too: no certificate can stay below it
that is valid in every world, however it tests. For each candidate it takes worlds next to this one
where that candidate and all cheaper ones break the claim (images reweighted, and a few images that
lose all); the most powerful test there is tells them apart from this one only so often. Refused
splits count as the largest scale there, and not at all in the ratio. Families: a fifth of the
questions are of a harder one, and the claim is about both.

{costs}
"""

AIM = 1.5
"""What a certificate should cost at most, times the cheapest safe choice."""


@dataclass(frozen=True)
class Saved:
    """What the JSON file holds: the settings, and a row for each world, size and claim so far."""

    __pydantic_config__ = CLOSED

    draws: Annotated[int, Ge(1)]
    seed: Annotated[int, Ge(0)]
    code: str
    rows: tuple[Simulated, ...] = ()
    whole: bool = False


@click.command(cls=OneLineCommand)
@click.option("--draws", default=2000, show_default=True, type=Whole(1), help="Splits a row.")
@click.option("--seed", default=0, show_default=True, type=Whole(0, LARGEST_SEED))
@click.option(
    "--json",
    "json_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the figures go; a file that is not whole is gone on with.",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write them as a table.",
)
def main(draws: int, seed: int, json_file: Path, markdown: Path | None) -> None:
    """Simulate certificates.

    Example: python -m scripts.benchmarks.statistics --draws 100 --json runs/statistics.json
    """
    wanted = Saved(draws, seed, describe_code())
    saved = _read(json_file, wanted)
    for world in WORLDS.values():
        saved = _run_world(world, saved, json_file)
    write_json(json_file, asdict(Saved(draws, seed, saved.code, saved.rows, whole=True)))
    rows = [dict(zip(HEAD, cells, strict=True)) for cells in map(describe, saved.rows)]
    print_rows(rows)
    if markdown:
        write_atomically(markdown, write_table(saved).encode())


def _read(path: Path, wanted: Saved) -> Saved:
    """Read what an earlier run has left, if it is of the same settings."""
    if not path.exists():
        return wanted
    remedy = "choose another file or delete it"
    saved = read_saved(Saved, path, remedy)
    if (saved.draws, saved.seed, saved.code) != (wanted.draws, wanted.seed, wanted.code):
        raise click.UsageError(
            f"{path} is of {saved.draws} draws, seed {saved.seed} and code {saved.code}; {remedy}"
        )
    return saved


def _run_world(world: str, saved: Saved, path: Path) -> Saved:
    """Simulate what is missing of a world, claim after claim."""
    done = {(row.world, row.claim) for row in saved.rows}
    claims = list_claims(ALPHA, DELTA)
    missing = [claim for claim in claims if (world, str(claim)) not in done]
    start = time.perf_counter()
    rows: list[Simulated] = []
    for row in simulate(missing, world, saved.draws, saved.seed) if missing else ():
        rows.append(row)
        # Both sizes of a claim are written together, as that is what a later run looks for.
        if len(rows) == len(SIZES):
            saved = Saved(saved.draws, saved.seed, saved.code, (*saved.rows, *rows))
            write_json(path, asdict(saved))
            rows = []
            passed = time.perf_counter() - start
            click.echo(f"{world:<8}{row.claim:<34}{passed:7.1f} s", err=True)
    return saved


def describe(row: Simulated) -> list[Any]:
    """Give the cells of a row, in the order of `HEAD`."""
    error = (DELTA * (1 - DELTA) / row.draws) ** 0.5
    ratio = row.cost_ratio
    return [
        row.world,
        row.images,
        row.claim,
        f"{row.broken:.4f} ± {error:.4f}",
        "yes" if row.broken <= DELTA + 2 * error else "NO",
        f"{row.refused:.3f}",
        f"{row.largest:.3f}",
        "-" if row.tokens is None else f"{row.tokens:.1f}",
        f"{row.safe_tokens:.1f}",
        "-" if ratio is None else f"{ratio:.2f}",
        f"{row.least_ratio:.2f}",
    ]


def _tell_costs(rows: Sequence[Simulated], images: int) -> str:
    """Say in how many rows of a size certificates cost no more than they should."""
    ratios = [
        (row.cost_ratio, row.least_ratio)
        for row in rows
        if row.images == images and row.cost_ratio is not None
    ]
    within = sum(cost <= AIM for cost, _ in ratios)
    hopeless = sum(least > AIM for _, least in ratios)
    above = max((cost / least for cost, least in ratios), default=1.0) - 1
    return (
        f"- {images} images: {within} of {len(ratios)} rows have a ratio of at most {AIM}; in "
        f"{hopeless} no valid test could. The test is up to {100 * above:.0f} % above the least "
        "ratio."
    )


def write_table(saved: Saved) -> str:
    """Write the page with the table."""
    from scripts.benchmarks.simulated.certificates import IMAGES

    command = (
        f"python -m scripts.benchmarks.statistics --draws {saved.draws} --seed {saved.seed} "
        "--json docs/statistics.json --markdown docs/statistics.md"
    )
    text = INTRODUCTION.format(
        command=command,
        code=saved.code,
        images=IMAGES,
        draws=saved.draws,
        delta=DELTA,
        costs="\n".join(_tell_costs(saved.rows, size) for size in SIZES),
    )
    names = "\n".join(f"- `{name}`: {title}" for title, name in WORLDS.items())
    lines = [HEAD, ["---"] * len(HEAD), *map(describe, saved.rows)]
    table = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    return f"{text}\n{names}\n\n{table}\n"


if __name__ == "__main__":
    main()
