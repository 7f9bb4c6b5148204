"""Model arguments of a harness, NAME=VALUE: the options of `m3scale ask`, checked as they are."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

import click

from scripts.stages.ask import AskSettings
from scripts.stages.model import Opening, engine_option, model_options
from scripts.terminal.options import settings_options

NAMES = {"pretrained": "model", "lam": "lambda"}
"""What harnesses call an option that has another name here."""


@dataclass(frozen=True)
class ModelArgs:
    """What is to be opened, and at which scale or operating point it answers.

    Attributes:
        opening: which checkpoint, and how.
        engine: what answers.
        router: folder or Hub name of the router; None where a scale is set.
        settings: scale or operating point, and the longest answer where a task does not say.
    """

    opening: Opening
    engine: str
    router: str | None
    settings: AskSettings

    def __post_init__(self) -> None:
        """Refuse both or neither of a router and a scale.

        Raises:
            ValueError: if it is so.
        """
        if (self.router is None) == (self.settings.scale is None):
            raise ValueError(
                "give just one of router=FOLDER, with an operating point such as budget=72, and "
                "scale=TOKENS, which needs no router"
            )
        if self.settings.scale is not None and self.settings.outlier is not None:
            raise ValueError("outlier is the router's: leave it out where a scale is set")


@click.command(add_help_option=False)
@model_options
@engine_option
@click.option("--router")
@settings_options(AskSettings, "settings")
def _gather(opening: Opening, engine: str, router: str | None, settings: AskSettings) -> ModelArgs:
    return ModelArgs(opening, engine, router, settings)


def read_model_args(pairs: Iterable[tuple[str, str]]) -> ModelArgs:
    """Read model arguments.

    Args:
        pairs: name and value of each.

    Returns:
        What they say; nothing is opened.

    Raises:
        ValueError: if a name is unknown or comes twice, or a value is refused.

    >>> read_model_args([("pretrained", "m3-mini"), ("scale", "144")]).settings.scale
    144
    """
    known = [one.opts[0].removeprefix("--") for one in _gather.params]
    given: dict[str, str] = {}
    for name, value in pairs:
        option = NAMES.get(name, name).replace("_", "-")
        if option not in known:
            listed = ", ".join(one.replace("-", "_") for one in sorted(known))
            raise ValueError(f"unknown model argument {name!r}: choose from {listed}")
        if option in given:
            raise ValueError(f"the model argument {name!r} is given twice: leave one out")
        given[option] = value
    words = [f"--{option}={value}" for option, value in given.items()]
    try:
        read: ModelArgs = _gather.main(words, "m3scale", standalone_mode=False)
    except click.UsageError as error:
        raise ValueError(error.format_message()) from error
    return read


def split_args(text: str) -> list[tuple[str, str]]:
    """Split NAME=VALUE,NAME=VALUE; quotes keep a comma in a value.

    Raises:
        ValueError: if a part has no name or value, or a quote is not closed.

    >>> split_args("router=runs/demo/router,certified='0.05,0.05'")
    [('router', 'runs/demo/router'), ('certified', '0.05,0.05')]
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace, lexer.whitespace_split = ",", True
    # Neither is special in a path.
    lexer.commenters = lexer.escape = ""
    try:
        parts = [part.strip() for part in lexer]
    except ValueError as error:
        raise ValueError(f"a quote in the model arguments is not closed: {text}") from error
    for part in parts:
        if not all(part.partition("=")):
            raise ValueError(f"expected model arguments NAME=VALUE,NAME=VALUE, got {part!r}")
    return [(name, value) for name, _, value in (part.partition("=") for part in parts)]
