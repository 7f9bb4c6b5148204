"""The commands `m3scale push` and `m3scale pull`: routers to the Hugging Face Hub and back."""

from pathlib import Path

import click

from scripts.terminal.errors import OneLineCommand


@click.command(cls=OneLineCommand)
@click.argument("router", type=click.Path(path_type=Path), metavar="ROUTER")
@click.argument("name", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make the repository private if it is created.")
def push(router: Path, name: str, private: bool) -> None:
    """Put the saved router in the folder ROUTER into the repository OWNER/NAME on the Hub.

    Example: m3scale push runs/mine/router me/my-llava-router

    Its README.md becomes the model card; edit it first if you like. The account is that of
    `hf auth login` or of the variable HF_TOKEN.
    """
    from predictor.bundle.hub import push_router

    click.echo(push_router(router, name, private))


@click.command(cls=OneLineCommand)
@click.argument("name", metavar="OWNER/NAME")
@click.argument("router", type=click.Path(path_type=Path), metavar="ROUTER")
@click.option("--revision", help="Branch, tag or commit.  [default: the main branch]")
def pull(name: str, router: Path, revision: str | None) -> None:
    """Fetch the router OWNER/NAME from the Hub into the folder ROUTER and check its checksums.

    Example: m3scale pull me/my-llava-router runs/mine/router

    Checksums find damage and mix-ups; they do not tell who made the router.
    """
    from predictor.bundle.hub import pull_router

    click.echo(f"files whole: {pull_router(name, router, revision)}")
