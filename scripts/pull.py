"""The command `m3scale pull`: downloads a router from the Hugging Face Hub."""

from pathlib import Path

import click

from scripts.terminal.errors import OneLineCommand


@click.command(cls=OneLineCommand)
@click.argument("name", metavar="OWNER/NAME")
@click.argument("router", type=click.Path(path_type=Path), metavar="ROUTER")
@click.option("--revision", help="Branch, tag or commit.  [default: the main branch]")
def main(name: str, router: Path, revision: str | None) -> None:
    """Fetch the router OWNER/NAME from the Hub into the folder ROUTER and check its checksums.

    Example: m3scale pull me/my-llava-router runs/mine/router

    Checksums find damage and mix-ups; they do not tell who made the router.
    """
    from predictor.bundle.hub import pull_router

    click.echo(f"files whole: {pull_router(name, router, revision)}")
