"""The command `m3scale train`: labelled outcomes to a saved router."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from m3_backbone.scales import EXTRAS
from scripts.stages.cutting import Cutting, describe_cutting, pick_note
from scripts.stages.profile import profile_option, read_profile
from scripts.stages.run_folder import PARTS
from scripts.stages.train import (
    check_kind,
    describe_certificate,
    print_sentences,
    run_train,
)
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import LARGEST_SEED, Whole
from scripts.terminal.options import (
    CertifiedClaim,
    drop_option,
    json_option,
    labels_option,
    part_option,
    run_option,
    split_option,
)
from scripts.terminal.output import print_rows
from scripts.terminal.outputs import check_folder, write_table

if TYPE_CHECKING:
    from predictor.bundle.bundle import RouterBundle
    from predictor.policy.claims import Claim


@click.command(cls=OneLineCommand)
@run_option
@split_option
@labels_option("--outcomes", PARTS.outcomes("router-train"), "Label folder to learn from.")
@labels_option(
    "--calibration",
    PARTS.outcomes("calibration"),
    "Label folder to calibrate on, other images; without it and --run, a share of --outcomes is "
    "held back.",
    needed=False,
)
@drop_option
@part_option("--out", PARTS.router, "Folder of the router.", written=True)
@click.option(
    "--kind",
    default="boosted",
    show_default=True,
    callback=check_kind,
    help="Name of the router: blend, boosted, constant, knn, linear, mlp or ordinal; auto keeps "
    "the best of four on the calibration split.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=Whole(0, LARGEST_SEED),
    help="Seed of everything random, --split included.",
)
@click.option(
    "--certify",
    type=CertifiedClaim(),
    multiple=True,
    metavar="[LOSS:]ALPHA,DELTA[,UNIT]",
    help="Prove with confidence 1 - DELTA that a loss against always the largest scale is at most "
    "ALPHA. LOSS: regression (the default), net or given-right. UNIT: question (the default), "
    "image or family. Repeatable.",
)
@click.option(
    "--tune/--no-tune",
    default=True,
    show_default=True,
    help="Choose the router's settings by cross-validation on the training images.",
)
@click.option(
    "--extra",
    "extras",
    multiple=True,
    type=click.Choice(EXTRAS),
    help="Also use these features, which label --extra has measured; repeatable.",
)
@profile_option
@json_option
def main(
    split: tuple[float, ...] | None,
    outcomes: Path,
    calibration: Path | None,
    drop_shared: bool,
    out: Path,
    kind: str,
    seed: int,
    certify: "tuple[Claim, ...]",
    tune: bool,
    extras: tuple[str, ...],
    profile: Path | None,
    json_file: Path | None,
) -> None:
    """Train a router: the probability that each scale is right, from coarse tokens and question.

    Example: m3scale train --run runs/mine

    m3scale train --outcomes runs/own/outcomes/all --split 60/20/20 --out runs/own/router

    Needs no model and no accelerator. The table shows what budgets give on the calibration split.
    """
    from predictor.bundle.folder import list_own_files
    from predictor.features.blocks import USUAL, FeatureSettings
    from predictor.training.train import TrainSettings
    from predictor.training.tuning import TuningSettings

    check_folder(out, list_own_files)
    times = read_profile(profile) if profile else None
    splits = Cutting(split, seed, drop_shared).read([outcomes, calibration], times)
    tuning = TuningSettings() if tune else None
    # Sorted: the columns shall not depend on the order of the options.
    features = FeatureSettings(blocks=(*USUAL, *sorted(set(extras))))
    settings = TrainSettings(
        kind=kind, seed=seed, certify=certify, tuning=tuning, features=features
    )
    bundle = run_train(splits[0], splits[1] if len(splits) > 1 else None, out, settings)
    _print_router(bundle, out, json_file)


def _print_router(bundle: "RouterBundle", folder: Path, json_file: Path | None) -> None:
    rows = [_describe_budget(bundle, budget) for budget in bundle.meta["budgets"]]
    candidates = bundle.meta["candidates"]
    proven = [describe_certificate(certificate) for certificate in bundle.certificates]
    if json_file:
        content = {
            "kind": bundle.router.kind,
            "calibration": rows,
            "certified": proven,
            "candidates": candidates,
            **pick_note(bundle.meta),
        }
        write_table(json_file, content)
    counted = " + ".join(str(bundle.meta[name]["questions"]) for name in ("train", "calibration"))
    size = f"{bundle.size_bytes() / 1e6:.2f} MB"
    for line in describe_cutting(bundle.meta):
        click.echo(line)
    click.echo(f"{bundle.router.kind} router, {counted} questions, {size}: {folder}")
    if bundle.policy.paying not in (None, len(bundle.scales)):
        click.echo(
            f"budgets stop at scale {bundle.scales[bundle.policy.paying - 1]}: the calibration "
            "split does not show that more tokens answer more"
        )
    for table in (rows, candidates, proven):
        print_rows(table)
    print_sentences(bundle.certificates)


def _describe_budget(bundle: "RouterBundle", budget: float) -> dict[str, float]:
    table = bundle.policy
    lam = bundle.lambda_for_budget(budget)
    row = table.lambdas.index(lam)
    return {
        "budget": budget,
        "lambda": lam,
        "tokens": table.costs[row],
        "accuracy": table.accuracies[row],
    }
