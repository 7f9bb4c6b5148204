"""The command `m3scale audit`: is this outcome table worth routing over?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.errors import OneLineCommand
from scripts.options import json_option, outcomes_option
from scripts.output import print_table, write_json
from scripts.tables import read_answered

if TYPE_CHECKING:
    from labels.outcomes import OutcomeTable
    from labels.questions import Question
    from predictor.data import FloatArray, IntArray

Section = dict[str, Any]

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
    help="Label folder of the same questions in other batches, to see how many answers flip.",
)
@json_option
def main(outcomes: Path, again: Path | None, json_file: Path | None) -> None:
    """Say in one sentence whether routing can pay on labelled outcomes, and why.

    Example: m3scale audit --outcomes runs/demo/outcomes/test

    Shows answers that could not be read, what luck alone would get, questions that a larger scale
    gets wrong again, and what the best choice of scale gains over mixing fixed scales. Needs no
    router and no model.
    """
    from labels.audit import flip_rates
    from labels.outcomes import read_outcomes

    table, questions = read_answered(outcomes)
    result = audit(table, questions)
    if again is not None:
        result["flips"] = flip_rates(table, read_outcomes(again))
    _print(result)
    if json_file:
        write_json(json_file, result)


def audit(table: "OutcomeTable", questions: "list[Question]") -> Section:
    """Audit a table as a whole and group by group.

    Args:
        table: the outcomes.
        questions: the question of each row [n].

    Returns:
        What the command prints, ready for JSON.
    """
    import numpy as np

    from labels.audit import borrowed_scores, guess_rates
    from predictor.describe import plain

    luck = guess_rates(questions), borrowed_scores(table, questions)
    names = sorted(set(table.groups.tolist()))
    rows_of = {name: np.flatnonzero(table.groups == name) for name in names}
    result: Section = plain(
        {
            "scales": table.scales,
            **_audit_rows(table, np.arange(len(questions)), *luck),
            "yes_no": _yes_no(table, questions),
            "groups": {name: _audit_rows(table, rows, *luck) for name, rows in rows_of.items()},
        }
    )
    return result


def _yes_no(table: "OutcomeTable", questions: "list[Question]") -> list[Section]:
    from labels.yes_no import summarise_yes_no

    rows = [row for row, question in enumerate(questions) if question.metric == "yes_no"]
    asked = [questions[row] for row in rows]
    return [summarise_yes_no(answers, asked) for answers in table.answers[rows].T if rows]


def _audit_rows(
    table: "OutcomeTable", rows: "IntArray", guesses: "FloatArray", borrowed: "FloatArray"
) -> Section:
    import numpy as np

    from predictor.ladder import audit_ladder
    from predictor.rules import luck_floor

    readable = table.parse_ok[rows].mean(axis=0)
    return {
        **audit_ladder(table.scores[rows], table.visual_tokens[rows], table.image_ids[rows]),
        "parse_failures": 1.0 - readable,
        "guess_options": guesses[rows].mean(),
        # What a readable answer earns: one that cannot be read is no guess.
        "guess_answers": borrowed[:, rows].mean(axis=(0, 1)) / np.maximum(readable, 1e-9),
        "floor_options": luck_floor(guesses[rows], len(table.scales)),
        "floor_answers": borrowed[:, rows].max(axis=2).mean(),
    }


def _print(result: Section) -> None:
    flips, yes_no = result.get("flips"), result["yes_no"]
    columns = {
        "scale": result["scales"],
        "tokens": [point["tokens"] for point in result["fixed"]],
        "accuracy": [point["accuracy"] for point in result["fixed"]],
        "hull": [point["hull"] for point in result["headroom"]],
        "oracle": [point["oracle"] for point in result["headroom"]],
        "unreadable": result["parse_failures"],
        "by luck": result["guess_answers"],
        **({"F1 of yes": [of_scale["f1"] for of_scale in yes_no]} if yes_no else {}),
        **({"answers flip": flips["answers"], "verdicts flip": flips["verdicts"]} if flips else {}),
    }
    print_table(list(columns), zip(*columns.values(), strict=True))
    for name, key in LINES.items():
        click.echo(f"{name:<44}{result[key]:.4g}")
    if len(result["groups"]) > 1:
        click.echo()
        print_table(
            ["group", "n", *(key for key in GROUP_COLUMNS), "stable gain", "verdict"],
            [
                [name, group["n"], *(group[key] for key in GROUP_COLUMNS.values())]
                + [group["stable"]["gain"], group["verdict"]]
                for name, group in result["groups"].items()
            ],
        )
    click.echo(f"\n{result['sentence']}")
