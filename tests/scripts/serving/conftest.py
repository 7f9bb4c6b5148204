"""Applications served on a real port, and m3-mini with a router that is soon trained."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from m3_backbone.data_uris import write_data_uri
from scripts.serving.running import make_server, open_port

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
