"""Servers behind the gateway as processes of their own, and the gateway in front of them."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from predictor.adaptive import AdaptiveM3
from predictor.requests.knobs import Knob
from scripts.serving.opening import open_before, serve_model
from scripts.serving.settings import ServeSettings
from scripts.serving.upstreams.servers import Upstreams
from scripts.stages.model import Opening, open_backbone

HERE = Path(__file__).parent
TOKENIZER = HERE.parents[3] / "models" / "m3-mini" / "tokenizer.json"


@pytest.fixture(scope="session")
def start_upstream():
    """A context manager that starts `upstream.py`: a process with its url."""

    @contextmanager
    def start(piece_seconds=0.0):
        command = [sys.executable, str(HERE / "upstream.py"), str(TOKENIZER), str(piece_seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                process.url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
                yield process
            finally:
                process.kill()

    return start


@pytest.fixture(scope="session")
def start_gateway(serving, open_client, mini):
    """A context manager that serves m3-mini, with a client and the upstreams.

    Without upstreams vLLM answers in this process.
    """

    @contextmanager
    def start(urls):
        upstreams = Upstreams(urls, None, 60) if urls else None
        opened = (
            open_before(Opening(), upstreams) if urls else open_backbone(Opening(), engine="vllm")
        )
        model = AdaptiveM3(opened, mini.router)
        settings = ServeSettings(max_requests=64)
        app = serve_model(model, settings, "m3-mini", Knob(budget=72), upstreams=upstreams)
        with serving(app) as running:
            with open_client(running, timeout=60) as client:
                running.client, running.upstreams = client, upstreams
                yield running

    return start
