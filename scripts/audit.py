"""The command `m3scale audit`: is this outcome table worth routing over?"""

from pathlib import Path
from typing import Any

import click

from scripts.stages.audit import NO_ROUTER, audit_folder, rerun_sample
from scripts.stages.model import Opening, model_options
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import Whole
from scripts.terminal.options import json_option, outcomes_option
from scripts.terminal.output import print_table
from scripts.terminal.outputs import write_table

LINES = {
    "oracle accuracy": "oracle_accuracy",
    "luck floor of the oracle, from the options": "floor_options",
    "luck floor of the oracle, answers shuffled": "floor_answers",
    "always right": "always_right",
    "always wrong": "always_wrong",
    "right at a scale, wrong at a larger one": "non_monotone",
}

GROUP_COLUMNS = {
    "oracle": "oracle_accuracy",
    "luck floor": "floor_answers",
    "always right": "always_right",
    "always wrong": "always_wrong",
}


@click.command(cls=OneLineCommand)
@outcomes_option
@click.option(
    "--again",
    type=click.Path(path_type=Path),
    help="Label folder of the same questions in other batches, to see how many answers change.",
)
@click.option(
    "--rerun",
    type=Whole(1),
    metavar="IMAGES",
    help="Instead, ask this many images again in other batches; opens the model.",
)
@click.option(
    "--kind",
    default="boosted",
    show_default=True,
    help=f"Router that tells what features are good for, as in train, or {NO_ROUTER}.",
)
@model_options
@json_option
def main(
    outcomes: Path,
    again: Path | None,
    rerun: int | None,
    kind: str,
    opening: Opening,
    json_file: Path | None,
) -> None:
    """Say in one sentence whether routing can pay on labelled outcomes, and why.

    Example: m3scale audit --outcomes runs/demo/outcomes/test

    Shows unreadable answers, the score of guessing, questions that a larger scale gets wrong again,
    which scale questions need, and what a choice of scale gains over mixing fixed scales: that of a
    router trained on other images, or, of an imported table, what the outcomes alone can show.
    Needs no saved router, and a model only with --rerun.
    """
    from labels.audit import flip_rates
    from labels.outcomes.table import read_outcomes

    if again is not None and rerun is not None:
        raise click.UsageError("give either --again or --rerun")
    if rerun is None and opening != Opening():
        raise click.UsageError("--model and what says how it is opened go with --rerun")
    result = audit_folder(outcomes, kind)
    if again is not None:
        result["flips"] = flip_rates(read_outcomes(outcomes), read_outcomes(again))
    elif rerun is not None:
        result["flips"] = flip_rates(
            read_outcomes(outcomes), rerun_sample(outcomes, rerun, opening)
        )
    if json_file:
        write_table(json_file, result)
    _print(result)


def _print(result: dict[str, Any]) -> None:
    columns = _list_columns(result)
    print_table(list(columns), zip(*columns.values(), strict=True))
    for name, key in LINES.items():
        click.echo(f"{name:<44}{_number(result[key])}")
    needed = result["granularity"]["tokens"]
    if needed is not None:
        click.echo(f"{'mean tokens that answerable questions need':<44}{needed:.4g}")
    if len(result["groups"]) > 1:
        _print_groups(result["groups"])
    # In the same line as the verdict, whose interval it is about.
    click.echo(f"\n{result['sentence']} {result['image_note']}".rstrip())
    if result["shift"] and result["shift"] not in result["sentence"]:
        click.echo(f"{result['shift']}.")
    if ceiling := result.get("ceiling"):
        click.echo(
            f"Asked {ceiling['repeats']} times: at these tokens an oracle on estimated success "
            f"probabilities gets {ceiling['ceiling']:.3f}; of the gap up to there the router "
            f"closes {_number(ceiling['ogc'])} ({_number(ceiling['ogc_low'])} to "
            f"{_number(ceiling['ogc_high'])})."
        )


def _list_columns(result: dict[str, Any]) -> dict[str, Any]:
    """List what is shown of each scale."""
    columns = {
        "scale": result["scales"],
        "tokens": [point["tokens"] for point in result["fixed"]],
        "accuracy": [point["accuracy"] for point in result["fixed"]],
        "hull": [point["hull"] for point in result["headroom"]],
        "oracle": [point["oracle"] for point in result["headroom"]],
    }
    crossed = [point.get("cross_fitted") for point in result["headroom"]]
    if None not in crossed:  # chosen by some repeats and scored on the others
        columns["cross-fitted"] = crossed
    columns |= {"unreadable": result["parse_failures"], "by luck": result["guess_answers"]}
    if result["yes_no"]:
        columns["F1 of yes"] = [of_scale["f1"] for of_scale in result["yes_no"]]
    if "flips" in result:
        columns["answers flip"] = result["flips"]["answers"]
        columns["verdicts flip"] = result["flips"]["verdicts"]
    return columns


def _print_groups(groups: dict[str, Any]) -> None:
    rows = [
        [
            name,
            group["n"],
            *(group[key] for key in GROUP_COLUMNS.values()),
            group["granularity"]["tokens"],
            group["attainable"]["gain"],
            group["verdict"],
        ]
        for name, group in groups.items()
    ]
    click.echo()
    print_table(["group", "n", *GROUP_COLUMNS, "tokens needed", "gain", "verdict"], rows)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
