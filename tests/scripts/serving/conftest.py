"""Applications on a real port, with a model that does what a test says, and with m3-mini."""

import asyncio
import dataclasses
import json
import threading
import time
from contextlib import aclosing, contextmanager
from types import SimpleNamespace

import httpx2
import numpy as np
import openai
import pytest
from PIL import Image

from m3_backbone.data_uris import write_data_uri
from m3_backbone.inference.answers import Answer, TokenLogprob
from predictor.adaptive import AdaptiveAnswer
from predictor.requests.knobs import Knob
from scripts.serving.app import build_app
from scripts.serving.chat import ChatService
from scripts.serving.concurrency import ConcurrencyLimiter
from scripts.serving.drift import ScaleDrift
from scripts.serving.images.loader import ImageLoader
from scripts.serving.images.remote import RemoteImages
from scripts.serving.metrics import Metrics
from scripts.serving.request_parser import RequestParser
from scripts.serving.running import make_server, open_port

SCALES = (1, 9, 36)
DEFAULT = Knob(budget=9)
IMAGES = 8


@contextmanager
def serve_in_thread(app, grace_seconds=5):
    with open_port("127.0.0.1", 0) as port:
        server = make_server(app, grace_seconds)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [port]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            number = port.getsockname()[1]
            yield SimpleNamespace(
                address=f"http://127.0.0.1:{number}", port=number, server=server, thread=thread
            )
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def serving():
    """A context manager that serves an application: address, port, server, thread."""
    return serve_in_thread


def make_answer(request, text, scale=9):
    logprobs = None
    if request.sampling.top_logprobs is not None:
        other = TokenLogprob(8, b"blue", -2.0)
        best = TokenLogprob(7, "r\u00e9d".encode(), -0.1)
        logprobs = (dataclasses.replace(best, top=(best, other)),)
    answer = Answer(
        text=text,
        token_ids=(7,),
        scale=scale,
        visual_tokens=scale,
        prompt_tokens=20 + scale,
        output_tokens=3,
        mean_logprob=-0.1,
        first_margin=1.9,
        wall_ms=2.0,
        batch_size=1,
        batch_shape="1x1x29",
        finish_reason="stop",
        logprobs=logprobs,
    )
    return AdaptiveAnswer(
        text=text,
        answer=answer,
        scale=scale,
        reason="unfamiliar" if scale == SCALES[-1] else "router",
        probabilities=dict(zip(SCALES, (0.25, 0.5, 0.75), strict=True)),
        knob=request.knob.to_dict(),
        images=len(request.pictures),
        turns=len(request.turns),
        visual_tokens=scale,
        prompt_tokens=20 + scale,
        output_tokens=3,
        finish_reason="stop",
        encode_ms=4.0,
        router_ms=1.0,
        generate_ms=2.0,
    )


class FakeModel:
    """Says the question's words; notes requests, and who stopped listening."""

    def __init__(self):
        self.asked, self.ended, self.answered = [], 0, 0
        self.go = threading.Event()

    def check(self, request):
        if "impossible" in request.question:
            raise ValueError("the question is impossible")
        if "long" in request.question:
            self.go.wait(10)

    async def answer_async(self, request):
        async with aclosing(self.stream(request)) as pieces:
            return [piece async for piece in pieces][-1]

    async def stream(self, request):
        self.asked.append(request)
        try:
            words = request.question.split()
            for number, word in enumerate(words):
                await asyncio.sleep(0)  # as a model's words do, each comes in a turn of its own
                if word == "wait":
                    while not self.go.is_set():
                        await asyncio.sleep(0.005)
                if word == "fail":
                    raise RuntimeError("the model is broken")
                yield word if number == 0 else f" {word}"
            self.answered += 1
            scale = request.knob.scale or (36 if "strange" in words else 9)
            yield make_answer(request, " ".join(words), scale)
        finally:
            self.ended += 1


def make_chat(model, limiter, max_seconds):
    parser = RequestParser(ImageLoader(10_000, RemoteImages([], 1000)), DEFAULT, 3, 50)
    metrics = Metrics(SCALES, limiter, ScaleDrift({9: 0.5, 36: 0.5}))
    return ChatService(
        model, "m3", parser, metrics, max_seconds, lambda one: SCALES[-1] * len(one.pictures)
    )


@contextmanager
def serve_fake_model(max_seconds=5.0, grace_seconds=5, upstreams=None):
    model, limiter = FakeModel(), ConcurrencyLimiter(4)
    chat = make_chat(model, limiter, max_seconds)
    app = build_app(chat, limiter, 100_000, upstreams=upstreams)
    with serve_in_thread(app, grace_seconds) as running, make_client(running) as client:
        running.client, running.model, running.limiter = client, model, limiter
        yield running


def make_client(running, timeout=10):
    """The openai client of a server."""
    url = f"{running.address}/v1"
    return openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=timeout)


@pytest.fixture(scope="session")
def open_client():
    """A function that opens the openai client of a server."""
    return make_client


@pytest.fixture(scope="session")
def serving_fake():
    """A context manager that serves a model which does what a test says, named m3."""
    return serve_fake_model


@pytest.fixture(scope="session")
def fake_server():
    with serve_fake_model(max_seconds=2.0) as running:
        yield running


@pytest.fixture
def served(fake_server):
    """A server that no request is left in before and after the test."""
    fake_server.model.go.clear()
    fake_server.model.asked.clear()
    yield fake_server
    wait_for(lambda: fake_server.limiter.active == 0)


def wait_for(is_so, seconds=5):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="session")
def wait_until():
    """A function that waits until something is so."""
    return wait_for


@pytest.fixture
def ask(served, write_body):
    """A function that asks by the openai client."""

    def create(question="what colour is it", **options):
        return served.client.chat.completions.create(**{**write_body(question), **options})

    return create


@pytest.fixture(scope="session")
def write_body(write_messages):
    """A function that writes a request about a small image."""
    image = Image.new("RGB", (32, 24), "red")

    def write(question="what", **changes):
        return {"model": "m3", "messages": write_messages([image], question), **changes}

    return write


def send(running, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    url = f"{running.address}/v1/chat/completions"
    return httpx2.post(url, content=content, headers=headers)


@pytest.fixture(scope="session")
def post():
    """A function that posts a body to a server."""
    return send


@pytest.fixture
def refuse(served):
    """A function that posts a body, and gives the error that comes back."""

    def give(body, status=400):
        response = send(served, body)
        assert response.status_code == status, response.text
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert "\n" not in error["message"]
        assert len(error["message"]) < 400
        return error

    return give


@pytest.fixture(scope="session")
def write_url():
    """A function that writes an image as a data URI."""
    return write_data_uri


@pytest.fixture(scope="session")
def write_messages(write_url):
    """A function that writes one user turn about images."""

    def write(images, question):
        parts = [{"type": "image_url", "image_url": {"url": write_url(one)}} for one in images]
        return [{"role": "user", "content": [*parts, {"type": "text", "text": question}]}]

    return write


@pytest.fixture(scope="session")
def mini(tmp_path_factory):
    """m3-mini, questions, and a router that finds all scales worth while for some of them."""
    from labels.sources.loading import load_questions
    from m3_backbone.backbone import M3Backbone
    from predictor.data import TrainData
    from predictor.training.train import TrainSettings, train_bundle

    backbone = M3Backbone.from_pretrained("m3-mini")
    source = load_questions("scenes:test", limit=IMAGES)
    asked = list(source)
    images = [source.image(one.image_id) for one in asked]
    pyramids = backbone.encode(images)
    # How much a question needs depends on its words, which the router sees.
    needs = np.array([len(one.question) % len(backbone.scales) for one in asked])
    scores = (needs[:, None] <= np.arange(len(backbone.scales))).astype(np.float64)
    data = TrainData(
        sample_ids=np.array([one.sample_id for one in asked]),
        image_ids=np.array([one.image_id for one in asked]),
        groups=np.array([one.group or "" for one in asked]),
        coarse=backbone.coarse_tokens(pyramids),
        question=backbone.question_embedding([one.question for one in asked]),
        scores=scores,
        tokens=np.tile(np.array(backbone.scales, np.float64), (len(asked), 1)),
        scales=backbone.scales,
    )
    meta = {"checkpoint": backbone.fingerprint}
    bundle = train_bundle(data, None, TrainSettings(kind="linear"), meta)
    folder = bundle.save(tmp_path_factory.mktemp("serving") / "router")
    return SimpleNamespace(
        backbone=backbone,
        router=bundle,
        folder=folder,
        images=images,
        questions=[one.question for one in asked],
    )
