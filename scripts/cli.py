"""The `m3scale` command: finds its subcommands by name and imports the one that is asked for.

Not a place for options or work: each subcommand is `main` in the module of its name. The one-line
helps stand here so that `m3scale --help` imports nothing else.
"""

import importlib
import logging

import click

from scripts.terminal.errors import OneLineCommand, one_line_errors, stopped_by_signals
from scripts.terminal.libraries import print_any_text, quieten_libraries

COMMANDS = {
    "label": "Ask a model every question at every scale.",
    "compact": "Join the parts of a label folder into few files.",
    "import": "Import outcomes measured by another tool.",
    "features": "Add to imported outcomes what a router is trained on.",
    "audit": "Tell whether routing can pay on labelled outcomes.",
    "oracle": "Show what the best choice of scale would score and cost, by named rules.",
    "profile": "Measure how long each scale takes on this machine.",
    "train": "Train a router on labelled outcomes.",
    "ablate": "Measure what each block of a router's features is worth and costs.",
    "verify": "Check a router's files and compute its certificates again.",
    "ask": "Answer questions about images, each at the scale that its router picks.",
    "report": "Measure a router on held-out outcomes; JSON, HTML and pictures.",
    "serve": "Answer an OpenAI-compatible API, each question at the scale that its router picks.",
    "demo": "Label, train, ask and report on the embedded model.",
    "finetune": "Train a model with the Matryoshka objective.",
    "push": "Put a router on the Hugging Face Hub.",
    "pull": "Fetch a router from the Hugging Face Hub.",
    "convert": "Write a checkpoint in transformers' format, or in LLaVA's own.",
}


MODULES = {"import": "importing", "features": "importing", "push": "hub", "pull": "hub"}
"""Modules that do not have their command's name: a Python keyword, and commands that share one."""


def module_of(command: str) -> str:
    """Name the module of a subcommand.

    >>> module_of("train"), module_of("import")
    ('scripts.train', 'scripts.importing')
    """
    return f"scripts.{MODULES.get(command, command)}"


class LazyGroup(OneLineCommand, click.Group):
    """A group that imports a subcommand when it is used, not before."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a subcommand."""
        with one_line_errors(), stopped_by_signals():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the subcommands in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        if cmd_name not in COMMANDS:
            return None  # click says that there is no such command
        module = importlib.import_module(module_of(cmd_name))
        # A module of its own calls it main; where two share one, they have their names.
        shares = cmd_name in MODULES and hasattr(module, cmd_name)
        function = cmd_name if shares else "main"
        command: click.Command = getattr(module, function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="m3scale", prog_name="m3scale")
@click.option("--verbose", is_flag=True, help="Show log messages and the origin of errors.")
def main(verbose: bool) -> None:
    """Answer each visual question at the number of visual tokens that a router picks for it.

    Example: m3scale demo

    A Matryoshka model can look at an image through 1, 9, 36, 144 or 576 tokens. These commands
    measure what each scale gets right, train a router that picks one, and report what it saves.
    """
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    quieten_libraries(verbose)
    print_any_text()
    # Ours alone, or the libraries would drown them.
    for package in ("m3_backbone", "labels", "predictor", "scripts"):
        logging.getLogger(package).setLevel(level)


if __name__ == "__main__":
    main()
