"""The command `m3scale push`: uploads a saved router to the Hugging Face Hub."""

from pathlib import Path

import click

from scripts.terminal.errors import OneLineCommand


@click.command(cls=OneLineCommand)
@click.argument("router", type=click.Path(path_type=Path), metavar="ROUTER")
@click.argument("name", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make the repository private if it is created.")
def main(router: Path, name: str, private: bool) -> None:
    """Put the saved router in the folder ROUTER into the repository OWNER/NAME on the Hub.

    Example: m3scale push runs/mine/router me/my-llava-router

    Its README.md becomes the model card; edit it first if you like. The account is that of
    `hf auth login` or of the variable HF_TOKEN.
    """
    from predictor.bundle.hub import push_router

    click.echo(push_router(router, name, private))
