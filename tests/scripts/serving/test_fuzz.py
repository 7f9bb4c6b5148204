"""Malformed requests by the thousand: told so with a 4xx, no defect logged, nothing fetched.

M3SCALE_TEST_SHARE=0.01 makes it a hundred times smaller.
"""

import base64
import json
import os
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx2
import pytest

from predictor.adaptive import AdaptiveM3
from predictor.requests.knobs import Knob
from scripts.serving.opening import serve_model
from scripts.serving.settings import ServeSettings

pytestmark = pytest.mark.slow

SHARE = float(os.environ.get("M3SCALE_TEST_SHARE", "1"))
MUTATED = max(200, int(20_000 * SHARE))

INSIDE = [
    "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]",
    "[::ffff:127.0.0.1]", "0", "localhost.", "LOCALHOST", "127。0。0。1",
]  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 36, 2**31, 2**70, 0.5, 1e308, -0.0, "", "36", "<image>", "\x00",
    "\ud800", "x" * 5000, [], [[]], [36], {}, {"type": "text"}, {"type": "image_url"},
    {"url": "file:///etc/passwd"}, "file:///etc/passwd", "/etc/passwd", "data:,", "data:image/png",
    "data:image/png;base64,AAAA", "ftp://127.0.0.1/x", {"scale": 9}, {"budget": 1e300},
    {"certified": "net:0.02,0.05"}, {"lambda": 0}, {"drop": 0.5}, "system", "assistant", "NaN",
]  # fmt: skip
NAMES = ["n", "stop", "seed", "top_p", "logprobs", "stream", "m3scale", "tools", "type", "url", ""]


@pytest.fixture
def trap():
    """A port of this machine that notes whoever comes; nobody should."""
    came = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        over = threading.Event()

        def listen():
            while not over.is_set():
                try:
                    connection, peer = listening.accept()
                except TimeoutError:
                    continue
                came.append(peer)
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield listening.getsockname()[1], came
        over.set()
        thread.join()


def spoil_url(url, rng, port):
    """Damage the file in a data URI, or point elsewhere."""
    if rng.random() < 0.4:
        scheme = rng.choice(["http", "https", "HTTP", "ftp", "gopher", "file"])
        return f"{scheme}://{rng.choice(['', 'u:p@'])}{rng.choice(INSIDE)}:{port}/x.png"
    head, _, content = url.partition(",")
    try:
        file = bytearray(base64.b64decode(content))
    except ValueError:  # damaged before
        return f"{url}="
    if not file:
        return f"{head},AAAA"
    for _ in range(rng.randint(1, 8)):
        file[rng.randrange(len(file))] = rng.randrange(256)
    file = file[: rng.randrange(len(file))] if rng.random() < 0.3 else file
    return f"{head},{base64.b64encode(bytes(file)).decode()}"


def spoil_text(text, rng):
    """Damage the JSON itself."""
    cut = rng.randrange(len(text))
    return rng.choice(
        [
            text[:cut],
            text[:cut] + rng.choice(["NaN", "[", "}", "\x00", "\\ud800", '"']) + text[cut:],
            "[" * 10_000 + text,
            text.replace('"m3-mini"', "1e999"),
        ]
    )


def test_malformed_requests_are_told_so(serving, mini, write_messages, trap, caplog, mutate):
    port, came = trap
    settings = ServeSettings(max_requests=64, max_new_tokens=2, remote_images=("*",))
    app = serve_model(AdaptiveM3(mini.backbone, mini.router), settings, "m3-mini", Knob(scale=1))
    bodies = [
        {
            "model": "m3-mini",
            "messages": write_messages([image.resize((32, 32))], question),
            "max_tokens": 1,
            "temperature": 0,
            "m3scale": {"scale": 1},
        }
        for image, question in zip(mini.images, mini.questions, strict=True)
    ]
    with serving(app) as running:
        url = f"{running.address}/v1/chat/completions"
        headers = {"content-type": "application/json"}
        with httpx2.Client(timeout=120) as client:

            def ask(number):
                rng = random.Random(number)
                spoil = partial(spoil_url, rng=rng, port=port)
                text = json.dumps(mutate(rng.choice(bodies), rng, NAMES, VALUES, spoil))
                if number % 10 == 0:
                    text = spoil_text(text, rng)
                answer = client.post(url, content=text.encode(), headers=headers)
                return answer.status_code, text, answer.text

            with ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(ask, range(MUTATED)))
            whole = client.post(url, json=bodies[0])
        assert whole.status_code == 200
    wrong = [one for one in answers if one[0] not in (200, 400, 404)]
    assert not wrong, wrong[0]
    assert sum(status == 400 for status, _, _ in answers) > MUTATED / 2
    for status, _, said in answers:
        assert "Traceback" not in said and "root:" not in said
        if status != 200 and not said.startswith("data: "):
            assert set(json.loads(said)["error"]) == {"message", "type", "param", "code"}
    assert not [record for record in caplog.records if record.levelname == "ERROR"], caplog.text
    assert not came
