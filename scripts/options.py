"""Options that several commands share, so that they are called and explained alike."""

from pathlib import Path

import click

model_option = click.option(
    "--model",
    default="m3-mini",
    show_default=True,
    help="Folder or name of a LLaVA checkpoint in transformers format.",
)
device_option = click.option(
    "--device", default="cpu", show_default=True, help="Torch device, such as cuda."
)
dtype_option = click.option(
    "--dtype",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Number format of the model.",
)
json_option = click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the table to this file.",
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress bars.")
run_option = click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Folder of a run laid out as the demo's: outcomes/SPLIT, router, report.",
)


def choose_folder(option: str, given: Path | None, run: Path | None, part: Path) -> Path:
    """Take the folder that was named, else its place in the run's folder.

    Args:
        option: name of the option, for the message.
        given: what the user said.
        run: folder of the run, if there is one.
        part: where in it to look.

    Returns:
        The folder.

    Raises:
        click.UsageError: if neither is known.
    """
    if given is not None:
        return given
    if run is None:
        raise click.UsageError(f"give {option} FOLDER, or --run FOLDER for all of a run's folders")
    return run / part


class Level(click.ParamType[tuple[float, float]]):
    """An option's value such as `0.02,0.1`: the bound alpha and the chance delta that it fails."""

    name = "alpha,delta"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Read the two numbers."""
        try:
            alpha, delta = (float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"expected ALPHA,DELTA such as 0.02,0.1, got {value!r}", param, ctx)
        return alpha, delta
