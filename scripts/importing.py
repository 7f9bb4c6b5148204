"""The command `m3scale import`: outcomes measured by another tool become an outcome table."""

from pathlib import Path

import click

from scripts.stages.label import LabelRequest
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import InputFile, option_of


@click.command("import", cls=OneLineCommand)
@click.option(
    "--samples",
    "logs",
    multiple=True,
    metavar="SCALE=FILE",
    help="Sample log of an lmms-eval run at this scale (--log_samples); once for each scale.",
)
@click.option("--score", help="Which score of the sample logs to take, if they have several.")
@click.option(
    "--table",
    type=InputFile(),
    help="CSV or JSONL instead: sample_id, scale, answer, score[, group, image_id, cost, ...].",
)
@option_of(LabelRequest, "columns")
@click.option("--name", default="imported", show_default=True, help="What to call the data set.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
def main(
    logs: tuple[str, ...],
    score: str | None,
    table: Path | None,
    columns: dict[str, str],
    name: str,
    out: Path,
) -> None:
    """Turn runs of lmms-eval, or any table of answers, into a label folder.

    Example: m3scale import --samples 1=s1.jsonl --samples 576=s576.jsonl --out runs/own/imported

    The folder can be audited and its oracles measured. It has no features, so a router cannot be
    trained on it. A row without image_id counts as an image of its own.
    """
    from labels.outcomes.importing import import_outcomes, read_sample_log, read_table_rows

    if bool(logs) == (table is not None):
        raise click.UsageError("give either --samples SCALE=FILE, once per scale, or --table FILE")
    if table is not None:
        rows = read_table_rows(table, columns)
    else:
        files = [_read_log_option(log) for log in logs]
        rows = [row for scale, file in files for row in read_sample_log(file, scale, score)]
    import_outcomes(rows, out, name)
    samples = len({row["sample_id"] for row in rows})
    click.echo(f"{samples} samples, {len(rows) // samples} scales: {out}")


def _read_log_option(text: str) -> tuple[int, Path]:
    scale, _, file = text.partition("=")
    if not (scale.isdigit() and file):
        raise click.BadParameter(f"expected SCALE=FILE, got {text!r}", param_hint="--samples")
    if not Path(file).is_file():
        raise click.BadParameter(f"there is no file {file}", param_hint="--samples")
    return int(scale), Path(file)
