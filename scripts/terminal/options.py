"""Options that several commands share, and options that are made from a dataclass's fields.

A setting's name, default, legal values and help stand once, at the field of the dataclass that
holds it. `settings_options` makes a command's options from them and hands it the dataclass.
"""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import click

from scripts.terminal.option_types import MOST, AtLeast, Finite, Whole
from scripts.terminal.outputs import OutputFile, OutputFolder, is_table

if TYPE_CHECKING:
    from predictor.policy.claims import Claim

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

RUN = "run"

OUTCOMES = "--outcomes"
SPLIT = "split"

WHOLE = Path("outcomes/all")
"""Where the labels of a data set lie in a run's folder before they are split."""


def settings_options(
    settings: type, parameter: str, only: Collection[str] | None = None
) -> Decorator:
    """Give a command the options that a dataclass describes, and hand it the dataclass.

    A field is an option if its metadata has a `help`. It may also have `option` (its name, where
    that is not the field's), `choices`, `min`, `metavar` and `type` (a click type); or `part` and
    `if_there`, see `part_option`, or `labels`, see `labels_option`. Any other field needs a
    default.

    Args:
        settings: the dataclass; the fields of a subclass come before those that it inherits.
        parameter: the command's parameter that takes it.
        only: fields to make options of; the others keep their defaults.
    """
    # Of this class alone; `fields` has the inherited ones, and has them first.
    own = settings.__annotations__
    named = [one.name for one in fields(settings) if "help" in one.metadata]
    named = [name for name in named if only is None or name in only]
    # A stable sort: within a class the order is that of its fields.
    named.sort(key=lambda name: name not in own)

    def decorate(command: Command) -> Command:
        # Click hands options over by name; only here are they taken without naming them.
        @functools.wraps(command)
        def gather(**given: Any) -> Any:
            values = {name: given.pop(name) for name in named}
            return command(**{parameter: settings(**values)}, **given)

        wrapped: Command = gather
        # Help lists the outermost decorator first.
        for name in reversed(named):
            wrapped = option_of(settings, name)(wrapped)
        return wrapped

    return decorate


def option_of(settings: type, name: str) -> Decorator:
    """Make the option of one field, for a command that takes this field alone.

    Args:
        settings: the dataclass.
        name: name of a field that has a `help`, see `settings_options`.
    """
    [one] = [one for one in fields(settings) if one.name == name]
    flag = one.metadata.get("option", f"--{name.replace('_', '-')}")
    if "labels" in one.metadata:
        return labels_option(flag, one.metadata["labels"], one.metadata["help"])
    if "part" in one.metadata:
        there = one.metadata.get("if_there", False)
        part, text = one.metadata["part"], one.metadata["help"]
        return part_option(flag, part, text, needed=not there, if_there=there)
    kind = _strip(get_type_hints(settings)[name])
    default = None if one.default is MISSING else one.default
    # An option may be repeated for a tuple[X, ...], and as FIELD=NAME for a mapping.
    many = get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis
    pairs = get_origin(kind) is Mapping
    return click.option(
        flag,
        name,
        type=_find_type(one, get_args(kind)[0] if many else kind),
        is_flag=kind is bool,
        multiple=many or pairs,
        default=default,
        # A switch without an opposite says by its name what its absence means.
        show_default=default not in (None, "", ()) and (kind is not bool or "/" in flag),
        callback=_read_pairs if pairs else None,
        metavar=one.metadata.get("metavar"),
        help=one.metadata["help"],
    )


def _strip(kind: Any) -> Any:
    """Take `| None` from a type."""
    rest = [one for one in get_args(kind) if one is not NoneType]
    # Only of a union: the parts of other types are not alternatives.
    return rest[0] if NoneType in get_args(kind) else kind


def _find_type(one: "Field[Any]", kind: Any) -> Any:
    """Find the click type of a value."""
    if "type" in one.metadata:
        return one.metadata["type"]
    if "choices" in one.metadata:
        return click.Choice(one.metadata["choices"])
    if kind is float and "min" in one.metadata:
        return AtLeast(one.metadata["min"], one.metadata.get("max"))
    if kind is float:
        return Finite()
    if kind is int and "min" in one.metadata:
        return Whole(one.metadata["min"], one.metadata.get("max", MOST))
    if kind is Path:
        return click.Path(path_type=Path)
    return kind if kind in (bool, int) else str


def read_columns(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read FIELD=NAME pairs; of several for a field the last one wins.

    Args:
        pairs: FIELD=NAME.

    Returns:
        Our field -> the source's column.

    Raises:
        click.BadParameter: if a pair has no name or no field.

    >>> read_columns(("image=picture", "sample_id=id"))
    {'image': 'picture', 'sample_id': 'id'}
    """
    for pair in pairs:
        if not all(pair.partition("=")):
            raise click.BadParameter(f"expected FIELD=NAME, got {pair!r}", param_hint="--column")
    return dict(pair.split("=", 1) for pair in pairs)


def _read_pairs(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    return read_columns(pairs)


class CertifiedClaim(click.ParamType["Claim"]):
    """An option's value such as `net:0.02,0.1`: a loss, its bound and the chance that it fails."""

    name = "claim"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Claim":
        """Read the claim."""
        from predictor.policy.claims import Claim

        try:
            return Claim.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


json_option = click.option(
    "--json",
    "json_file",
    type=OutputFile(is_table),
    help="Also write the table to this file.",
)

quiet_option = click.option("--quiet", is_flag=True, help="No progress bars.")


def _note_run(context: click.Context, _: click.Parameter, run: Path | None) -> None:
    context.meta[RUN] = run


# Read before all others, which look for their part of the run in its folder.
run_option = click.option(
    "--run",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_note_run,
    help="Folder of a run laid out as the demo's: outcomes/SPLIT, router, report.",
)


def part_option(
    flag: str,
    part: Path,
    text: str,
    *,
    needed: bool = True,
    if_there: bool = False,
    written: bool = False,
) -> Decorator:
    """Make an option for a part of a run, found in the folder of --run where it is not given.

    Args:
        flag: the option, such as --router.
        part: where it lies in a run's folder.
        text: the help.
        needed: whether to refuse a command that has neither this option nor --run.
        if_there: whether the run may lack it.
        written: whether the command writes it, and does not read it.

    Returns:
        The decorator; the command gets the path, or None.
    """

    def settle(context: click.Context, _: click.Parameter, given: Path | None) -> Path | None:
        found = _find_part(context, given, flag, part, needed)
        lacking = given is None and found is not None and not found.exists()
        return None if if_there and lacking else found

    there = " if there" if if_there else ""
    return click.option(
        flag,
        type=OutputFolder() if written else click.Path(path_type=Path),
        callback=settle,
        help=f"{text}  [default: RUN/{part.as_posix()}{there}]",
    )


def _find_part(
    context: click.Context, given: Path | None, flag: str, part: Path, needed: bool
) -> Path | None:
    # Click asks for it where the option is missing, too. --run was read before.
    run: Path | None = context.meta.get(RUN)
    if given is None and run is None and needed:
        raise click.UsageError(f"give {flag} FOLDER, or --run FOLDER for all of a run's folders")
    return run / part if given is None and run is not None else given


class Shares(click.ParamType[tuple[float, ...]]):
    """An option's value such as 60/20/20: percent to train on, to calibrate on and to test."""

    name = "train/calibration/test"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Read the three percentages."""
        try:
            percent = tuple(float(one) for one in str(value).split("/"))
        except ValueError:
            percent = ()
        # Not a number compares false.
        whole = len(percent) == 3 and min(percent) > 0 and abs(sum(percent) - 100) < 1e-6
        if not whole:
            text = str(value)[:40]
            self.fail(f"expected three percentages such as 60/20/20, got {text!r}", param, ctx)
        return percent


def _note_split(
    context: click.Context, _: click.Parameter, percent: tuple[float, ...] | None
) -> tuple[float, ...] | None:
    context.meta[SPLIT] = percent
    return percent


# Read before the label folders, of which there is one instead of three.
split_option = click.option(
    "--split",
    type=Shares(),
    is_eager=True,
    callback=_note_split,
    help="Cut the labels of one folder in three, such as 60/20/20: percent to train on, to "
    "calibrate on and to test. Equal and near-equal images stay together, groups are shared out.",
)

drop_option = click.option(
    "--drop-shared",
    is_flag=True,
    help="Leave out of the later split what shares an image with an earlier one.",
)


def labels_option(flag: str, part: Path, text: str, needed: bool = True) -> Decorator:
    """Make an option for the label folder of a split; with --split it is `--outcomes` or none.

    Args:
        flag: the option, such as --calibration.
        part: where it lies in a run's folder; `WHOLE` if it is for --split only.
        text: the help.
        needed: whether to refuse a command that has neither this option nor --run nor --split.

    Returns:
        The decorator; the command gets the path, or None.
    """

    def settle(context: click.Context, _: click.Parameter, given: Path | None) -> Path | None:
        if context.meta.get(SPLIT) is not None:
            if flag == OUTCOMES:
                return _find_part(context, given, flag, WHOLE, needed=True)
            if given is not None:
                raise click.UsageError(f"--split takes all from {OUTCOMES}: leave {flag} out")
            return None
        if part != WHOLE:
            found = _find_part(context, given, flag, part, needed)
            _check_cut(context.meta.get(RUN), found)
            return found
        if given is not None:
            raise click.UsageError(f"{flag} needs --split, such as 60/20/20")
        return None

    default = f"RUN/{part.as_posix()}"
    if flag == OUTCOMES and part != WHOLE:
        default += f"; with --split RUN/{WHOLE.as_posix()}"
    return click.option(
        flag,
        type=click.Path(path_type=Path),
        callback=settle,
        help=f"{text}  [default: {default}]",
    )


def _check_cut(run: Path | None, found: Path | None) -> None:
    if run and found and not found.exists() and (run / WHOLE).exists():
        raise click.UsageError(f"{run} has labels in one folder: add --split, such as 60/20/20")


studies_option = click.option(
    "--studies",
    is_flag=True,
    help="Also tune and compare every kind of router, and leave every block of features and every "
    "family out in turn: some minutes more.",
)

outcomes_option = click.option(
    "--outcomes", required=True, type=click.Path(path_type=Path), help="Finished label folder."
)


def seeds_option(default: int, text: str = "Trainings of each kind.") -> Decorator:
    """Make the option that says how often something is trained."""
    kind = Whole(1, most=100)  # more take hours and tell nothing new
    return click.option("--seeds", default=default, show_default=True, type=kind, help=text)
