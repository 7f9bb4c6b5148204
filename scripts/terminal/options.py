"""Options that several commands share, so that they are called and explained alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from m3_backbone.scales import EXTRAS

Command = TypeVar("Command", bound=Callable[..., Any])


model_option = click.option(
    "--model",
    default="m3-mini",
    show_default=True,
    help="Folder or name of a checkpoint: LLaVA or another host, see docs/hosts.md.",
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


# m3_backbone.pooling has the list, but torch with it.
pooling_option = click.option(
    "--pooling",
    default="average",
    show_default=True,
    type=click.Choice(["average", "sequential", "spatial"]),
    help="How visual tokens become fewer; M3 models are trained with average.",
)


device_map_option = click.option(
    "--device-map", help="Spread the model, such as auto; instead of --device."
)


quantize_option = click.option(
    "--quantize",
    type=click.Choice(["8bit", "4bit"]),
    help="Store the weights in few bits; needs a GPU.",
)


MODEL_OPTIONS = (
    *(model_option, device_option, dtype_option),
    *(pooling_option, device_map_option, quantize_option),
)


def model_options(command: Command) -> Command:
    """Give a command the options that `scripts.stages.model.Opening` holds.

    Args:
        command: the function behind the command.

    Returns:
        The function with the options.
    """
    for option in reversed(MODEL_OPTIONS):
        command = option(command)
    return command


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


profile_option = click.option(
    "--profile",
    type=click.Path(path_type=Path),
    help="What m3scale profile wrote, for times of this machine; the labels' times otherwise.  "
    "[default: RUN/profile.json if there]",
)


studies_option = click.option(
    "--studies",
    is_flag=True,
    help="Also tune and compare every kind of router, and leave every block of features and every "
    "family out in turn: some minutes more.",
)


columns_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=NAME",
    help="The source's name of a field; A,B for images or choices in several columns.",
)


outcomes_option = click.option(
    "--outcomes", required=True, type=click.Path(path_type=Path), help="Finished label folder."
)


def extras_option(what: str) -> Callable[[Command], Command]:
    """Make the option that names optional blocks of features.

    Args:
        what: what the command does with them.

    Returns:
        The decorator.
    """
    return click.option(
        "--extra",
        "extras",
        multiple=True,
        type=click.Choice(EXTRAS),
        help=f"{what}: statistics of the image's pixels, the model's state at the end of the "
        "prompt at the second smallest scale; repeatable.",
    )


def read_columns(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read what `columns_option` takes; of several for a field the last one wins.

    Args:
        pairs: FIELD=NAME.

    Returns:
        Our field -> the source's column.

    Raises:
        click.BadParameter: if a pair has no name or no field.
    """
    for pair in pairs:
        if not all(pair.partition("=")):
            raise click.BadParameter(f"expected FIELD=NAME, got {pair!r}", param_hint="--column")
    return dict(pair.split("=", 1) for pair in pairs)


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
