"""The command `m3scale serve`: an OpenAI-compatible API, at scales that a router picks."""

from importlib.util import find_spec

import click

from scripts.serving.settings import ServeSettings, is_loopback, write_host
from scripts.stages.ask import AskSettings, router_option
from scripts.stages.model import Opening, engine_option, model_options
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import settings_options

KNOB = ("budget", "unit", "lam", "drop", "certified", "scale", "outlier")


@click.command(cls=OneLineCommand)
@router_option
@settings_options(ServeSettings, "settings")
@settings_options(AskSettings, "knob", only=KNOB)
@model_options
@engine_option
def main(
    router: str, settings: ServeSettings, knob: AskSettings, opening: Opening, engine: str
) -> None:
    """Answer /v1/chat/completions as the OpenAI API has it, at scales that a router picks.

    Example: m3scale serve --budget 72

    The operating point is that of requests that name none in `m3scale`. See docs/serving.md.
    """
    if find_spec("fastapi") is None:
        raise click.UsageError("the server is not installed: pip install -e '.[serve]'")
    from scripts.serving.opening import open_app
    from scripts.serving.running import make_server, open_port, run_server

    token = settings.read_token()
    with open_port(settings.host, settings.port) as port:
        host, number = port.getsockname()[:2]
        app = open_app(router, opening, engine, knob, settings, token, host)
        if token is None and not is_loopback(host):
            click.echo(
                "warning: anybody who reaches this address may ask; see --token-file", err=True
            )
        url = f"http://{write_host(host)}:{number}/v1"
        port.listen()  # who connects at this word waits until all has started
        click.echo(f"serving {settings.name_of(opening.model)} at {url}")
        run_server(make_server(app, settings.grace_seconds), port)
