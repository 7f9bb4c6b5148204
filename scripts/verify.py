"""The command `m3scale verify`: checks a router's files and computes its certificates again."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.stages.cutting import Cutting
from scripts.stages.run_folder import SPLITS
from scripts.stages.train import describe_certificate, print_sentences
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import LARGEST_SEED, Whole
from scripts.terminal.options import json_option, split_option
from scripts.terminal.output import print_rows
from scripts.terminal.outputs import write_table

if TYPE_CHECKING:
    from predictor.bundle.bundle import RouterBundle
    from predictor.data import TrainData


@click.command(cls=OneLineCommand)
@click.option("--router", required=True, type=click.Path(path_type=Path), help="Saved router.")
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path),
    help="Label folder that the router was calibrated on, to compute the certificates again: the "
    "same lambdas, p-values and figures must come out.",
)
@click.option(
    "--train-outcomes",
    type=click.Path(path_type=Path),
    help="Label folder that it learnt from, to see that the lambdas that the certificates could "
    "choose are its own, and none came from the calibration split.",
)
@split_option
@click.option(
    "--seed", default=0, show_default=True, type=Whole(0, LARGEST_SEED), help="Seed of --split."
)
@json_option
def main(
    router: Path,
    outcomes: Path | None,
    train_outcomes: Path | None,
    split: tuple[float, ...] | None,
    seed: int,
    json_file: Path | None,
) -> None:
    """Check that a router's files are whole, and compute its certificates again from outcomes.

    Example: m3scale verify --router runs/mine/router --outcomes runs/mine/outcomes/calibration
    --train-outcomes runs/mine/outcomes/router-train

    A router without certificates passes if its files are whole. With --split both splits are cut
    out of --outcomes as they were for train.
    """
    from predictor.bundle.bundle import CERTIFICATES, RouterBundle
    from predictor.policy.budgets import RETRAIN

    if (split or train_outcomes) and not outcomes:
        raise click.UsageError("--split and --train-outcomes need --outcomes FOLDER")
    if split and train_outcomes:
        raise click.UsageError("--split cuts the training outcomes out of --outcomes: give no more")
    bundle = RouterBundle.load(router)
    if bundle.candidates is None and (router / CERTIFICATES).exists():
        raise ValueError(
            f"the certificates in {router} are of a version that did not say what they bound; "
            f"{RETRAIN} with --certify (the router itself can be used)"
        )
    known: dict[str, TrainData] = {}
    if outcomes:
        # Of what the calibration split shares with it, it was freed as for train.
        cutting = Cutting(split, seed, drop_shared="dropped" in bundle.meta and not split)
        splits = cutting.read([train_outcomes, outcomes])
        names = SPLITS if split or train_outcomes else SPLITS[1:]
        known = {name: one.data for name, one in zip(names, splits, strict=False)}
    told = _check_certificates(bundle, known)
    rows = [describe_certificate(certificate) for certificate in bundle.certificates]
    if json_file:
        again, listed = (bool(known.get(name)) for name in (SPLITS[1], SPLITS[0]))
        content = {"certified": rows, "proven_again": again, "candidates_proven": listed}
        write_table(json_file, content)
    click.echo(f"files whole, {len(rows)} certificates {told if rows else ''}".rstrip())
    print_rows(rows)
    print_sentences(bundle.certificates)


def _check_certificates(bundle: "RouterBundle", splits: "dict[str, TrainData]") -> str:
    """Compute again what the splits at hand allow; say what that was and what would need more."""
    from predictor.policy.candidates import check_candidates
    from predictor.policy.certificates import check_certificate
    from predictor.training.tuning import count_tested

    train, calibration = splits.get(SPLITS[0]), splits.get(SPLITS[1])
    if bundle.candidates is None or calibration is None:
        return "not computed again: give --outcomes for that"
    raw = bundle.predict_raw(calibration.coarse, calibration.question, calibration.extras)
    tested = count_tested(bundle.meta.get("candidates", ()))
    for certificate in bundle.certificates:
        check_certificate(certificate, bundle.candidates, raw, calibration, tested)
    if train is None:
        return "computed again, not where their lambdas come from: give --train-outcomes for that"
    own = bundle.predict_raw(train.coarse, train.question, train.extras)
    check_candidates(bundle.candidates, own, train, calibration)
    return "computed again, no lambda comes from the calibration split"
