"""serve with vLLM, in its process or as upstream: answers are those of the built-in engine."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import AdaptiveM3
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Turn

pytestmark = pytest.mark.vllm

ASKED = 24
KNOBS = [{"budget": 72}, {"scale": 9}, {"scale": 576}, {"scale": 1}]


def is_well(url):
    try:
        return httpx2.get(f"{url}/health", timeout=10).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(scope="module")
def vllm(mini):
    """Address of vLLM on m3-mini, started as docs/serving.md says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(mini.backbone._folder), "--host", "127.0.0.1", "--port", port]
    command += ["--dtype", "float32", "--max-model-len", "1024", "--enforce-eager"]
    command += ["--block-size", "32", "--enable-mm-embeds", "--disable-uvicorn-access-log"]
    command += ["--limit-mm-per-prompt", '{"image": 8}']
    command += ["--chat-template", "{{ messages[0].content }}"]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=os.environ) as process:
        try:
            deadline = time.monotonic() + 600
            while not is_well(url):
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server takes too long to start"
                time.sleep(1)
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module", params=["in one process", "upstream"])
def gateway(request, start_gateway):
    urls = [request.getfixturevalue("vllm")] if request.param == "upstream" else []
    with start_gateway(urls) as running:
        yield running


def test_answers_at_mixed_scales_are_the_built_in_engines(gateway, mini, write_messages):
    model = AdaptiveM3(mini.backbone, mini.router)
    sampling = Sampling(max_new_tokens=8, top_logprobs=2)
    knobs = [KNOBS[number % len(KNOBS)] for number in range(ASKED)]
    rows = list(zip(mini.images, mini.questions, knobs, strict=False))
    expected = model.answer(
        [Request.about(image, asked, Knob(**knob), sampling) for image, asked, knob in rows]
    )

    def ask(row):
        image, question, knob = row
        return gateway.client.chat.completions.create(
            model="m3-mini",
            messages=write_messages([image], question),
            max_tokens=8,
            logprobs=True,
            top_logprobs=2,
            extra_body={"m3scale": knob},
        )

    with ThreadPoolExecutor(8) as pool:
        for answer, one in zip(pool.map(ask, rows), expected, strict=True):
            [choice] = answer.choices
            assert choice.message.content == one.text
            assert answer.m3scale["scale"] == one.scale
            assert answer.usage.prompt_tokens == one.prompt_tokens
            assert choice.finish_reason == one.finish_reason
            logprobs = [token.logprob for token in choice.logprobs.content]
            assert logprobs == pytest.approx([t.logprob for t in one.answer.logprobs], abs=1e-4)


@pytest.mark.parametrize("scale", [9, 144])
def test_a_conversation_about_several_images_is_read_alike(gateway, mini, write_messages, scale):
    first, second = mini.questions[0], mini.questions[-1]
    messages = write_messages([mini.images[0], mini.images[-1]], first)
    messages += [{"role": "assistant", "content": "3531"}]
    messages += write_messages([mini.images[len(mini.images) // 2]], second)
    answer = gateway.client.chat.completions.create(
        model="m3-mini", messages=messages, max_tokens=8, extra_body={"m3scale": {"scale": scale}}
    )
    shown = (mini.images[0], mini.images[-1])
    turns = (
        Turn("user", first, shown),
        Turn("assistant", "3531"),
        Turn("user", second, (mini.images[len(mini.images) // 2],)),
    )
    model = AdaptiveM3(mini.backbone, mini.router)
    [one] = model.answer([Request(turns, Knob(scale=scale), Sampling(8))])
    assert answer.choices[0].message.content == one.text
    assert answer.usage.prompt_tokens == one.prompt_tokens
