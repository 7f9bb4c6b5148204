"""The command `m3scale ablate`: what each feature block is worth and costs."""

import math
from pathlib import Path

import click

from m3_backbone.scales import EXTRAS
from scripts.stages.cutting import Cutting, describe_cutting, note_cutting
from scripts.stages.profile import profile_option, read_extras
from scripts.stages.run_folder import PARTS
from scripts.stages.train import check_kind
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import LARGEST_SEED, AtLeast, Whole
from scripts.terminal.options import (
    drop_option,
    json_option,
    labels_option,
    run_option,
    seeds_option,
    split_option,
)
from scripts.terminal.output import print_rows
from scripts.terminal.outputs import write_table


@click.command(cls=OneLineCommand)
@run_option
@split_option
@labels_option("--outcomes", PARTS.outcomes("router-train"), "Label folder to learn from.")
@labels_option(
    "--calibration", PARTS.outcomes("calibration"), "Label folder that blocks are compared on."
)
@drop_option
@click.option(
    "--kind",
    default="boosted",
    show_default=True,
    callback=check_kind,
    help="Router, as in train.",
)
@click.option(
    "--budget",
    type=AtLeast(0),
    help="Mean visual tokens per question.  [default: an eighth of the largest scale's]",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=Whole(0, LARGEST_SEED),
    help="First seed of everything random; that of --split.",
)
@seeds_option(3, "Trainings of each choice of blocks.")
@profile_option
@json_option
def main(
    split: tuple[float, ...] | None,
    outcomes: Path,
    calibration: Path | None,
    drop_shared: bool,
    kind: str,
    budget: float | None,
    seed: int,
    seeds: int,
    profile: Path | None,
    json_file: Path | None,
) -> None:
    """Train without each feature block, and with it alone, and compare the gap that is closed.

    Example: m3scale ablate --run runs/mine

    All are measured on the calibration split, where they spend just the budget;
    no test split is looked at. Extras that both label folders hold are compared too; a profile
    knows how long it takes to measure them.
    """
    from predictor.evaluation.runs import EvaluationSettings
    from predictor.evaluation.sections.ablation import AblationSettings, ablate
    from predictor.features.blocks import USUAL, FeatureSettings
    from predictor.training.train import TrainSettings

    splits = Cutting(split, seed, drop_shared).read([outcomes, calibration])[:2]
    train, known = (one.data for one in splits)
    # In the order of EXTRAS, which a set would lose.
    extras = [name for name in EXTRAS if name in train.extras and name in known.extras]
    features = FeatureSettings(blocks=(*USUAL, *extras))
    settings = TrainSettings(kind=kind, seed=seed, features=features)
    costs = read_extras(profile) if profile else {}
    if budget is None:
        budget = EvaluationSettings.for_ladder(known).headline
    of_blocks = AblationSettings(budget=budget, seeds=seeds, extras_ms=costs)
    result = ablate((train, known, None), settings, of_blocks)
    note = note_cutting(splits)
    if json_file:
        write_table(json_file, {**result, **note})
    for line in describe_cutting(note):
        click.echo(line)
    gaps = (f"ogc_{budget:g}_without", f"ogc_{budget:g}_alone")
    names = ("block", "columns", *gaps, "loss", "loss_low", "loss_high", "ms")
    full = result["full"]
    gap = full[f"ogc_{budget:g}"]
    told = "there is no gap to close" if math.isnan(gap) else f"gap closed {gap:.3f}"
    click.echo(f"all blocks: {told}, {full['ms']:.3f} ms")
    print_rows([{name: row[name] for name in names} for row in result["rows"]])
    click.echo(f"ms are differences of times that are known to {result['ms_noise']:.3f}")
    if unknown := ", ".join(result["unmeasured"]):
        click.echo(f"ms without measuring {unknown}: give --profile, see m3scale profile")
