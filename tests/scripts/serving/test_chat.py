"""The endpoint as the openai client sees it, in front of a model that does what a test says."""

import asyncio
import dataclasses
import json
import threading
import time
from contextlib import aclosing

import httpx2
import openai
import pytest
from PIL import Image

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
from scripts.serving.upstreams.servers import Upstreams

SCALES = (1, 9, 36)
PIXELS = Image.new("RGB", (32, 24), "red")
DEFAULT = Knob(budget=9)


def make_answer(request, text, scale=9):
    logprobs = None
    if request.sampling.top_logprobs is not None:
        other = TokenLogprob(8, "blue", -2.0)
        best = TokenLogprob(7, "r\u00e9d", -0.1)
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


class Model:
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


def make_chat(model, limiter, max_seconds=5.0):
    parser = RequestParser(ImageLoader(10_000, RemoteImages([], 1000)), DEFAULT, 3, 50)
    metrics = Metrics(SCALES, limiter, ScaleDrift({9: 0.5, 36: 0.5}))
    largest = SCALES[-1]
    return ChatService(
        model, "m3", parser, metrics, max_seconds, lambda one: largest * len(one.pictures)
    )


@pytest.fixture(scope="module")
def served(serving):
    model, limiter = Model(), ConcurrencyLimiter(4)
    with serving(build_app(make_chat(model, limiter, 2.0), limiter, 100_000)) as running:
        client = openai.OpenAI(
            base_url=f"{running.address}/v1", api_key="none", max_retries=0, timeout=10
        )
        with client:
            running.client, running.model, running.limiter = client, model, limiter
            yield running


@pytest.fixture(autouse=True)
def nobody_left(served):
    """Before and after each test no request is active."""
    served.model.go.clear()
    served.model.asked.clear()
    yield
    wait_until(lambda: served.limiter.active == 0)


def wait_until(is_so, seconds=5):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="module")
def ask(served, write_messages):
    def create(question="what colour is it", **options):
        messages = options.pop("messages", None) or write_messages([PIXELS], question)
        return served.client.chat.completions.create(
            **{"model": "m3", "messages": messages, **options}
        )

    return create


def test_an_answer_tells_its_scale_and_counts_its_tokens(served, ask):
    answer = ask(user="u", metadata={"a": "b"}, n=1, seed=3, store=False)
    [choice] = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "what colour is it")
    assert (choice.finish_reason, choice.logprobs, answer.model) == ("stop", None, "m3")
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (29, 3, 32)
    assert usage.prompt_tokens_details.image_tokens == 9
    assert answer.m3scale == {
        "scale": 9,
        "visual_tokens": 9,
        "probabilities": {"1": 0.25, "9": 0.5, "36": 0.75},
        "reason": "router",
        "unfamiliar": False,
    }
    [request] = served.model.asked
    assert request.knob is DEFAULT
    sampling = request.sampling
    assert (sampling.max_new_tokens, sampling.temperature, sampling.seed) == (50, 0.0, 3)


def test_what_is_asked_reaches_the_model(served, ask, write_url):
    image = {"type": "image_url", "image_url": {"url": write_url(PIXELS), "detail": "low"}}
    text = {"type": "text", "text": "and now"}
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [image, {"type": "text", "text": "what"}]},
        {"role": "assistant", "content": "a cat"},
        {"role": "user", "content": [image, text, {"type": "text", "text": "this"}, image]},
    ]
    ask(
        messages=messages,
        max_completion_tokens=7,
        temperature=0.5,
        top_p=0.9,
        stop="\n",
        extra_body={"m3scale": {"budget": 20, "unit": "flops"}},
    )
    [request] = served.model.asked
    turns = [(turn.role, turn.text, len(turn.pictures)) for turn in request.turns]
    assert turns == [
        ("system", "be brief", 0),
        ("user", "what", 1),
        ("assistant", "a cat", 0),
        ("user", "and now\nthis", 2),
    ]
    assert request.knob == Knob(budget=20, unit="flops")
    sampling = request.sampling
    assert (sampling.max_new_tokens, sampling.temperature, sampling.top_p) == (7, 0.5, 0.9)
    assert sampling.stop == ("\n",)
    assert request.pictures[0].tobytes() == PIXELS.tobytes()


@pytest.mark.parametrize("said", ["a cat", None])
def test_an_answer_is_sent_back_as_it_came(served, ask, write_messages, said):
    first = write_messages([PIXELS], "what")
    message = ask(messages=first).choices[0].message
    message.content = said
    later = {"role": "user", "content": "and now"}
    # What the client makes of it: the fields that were set, all fields, and a dictionary.
    for turn in (message, message.model_dump(), message.to_dict()):
        served.model.asked.clear()
        ask(messages=[*first, turn, later])
        assert [one.text for one in served.model.asked[0].turns] == ["what", said or "", "and now"]


def test_a_refusal_is_what_was_said(served, ask, write_messages):
    refusal = {"role": "assistant", "content": None, "refusal": "no"}
    messages = [*write_messages([PIXELS], "what"), refusal, {"role": "user", "content": "why"}]
    ask(messages=messages)
    assert served.model.asked[0].turns[1].text == "no"


@pytest.mark.parametrize(
    ("knob", "expected"),
    [
        ({"budget": 20}, Knob(budget=20)),
        ({"drop": 0.01}, Knob(drop=0.01)),
        ({"certified": "net:0.02,0.05"}, Knob(certified="net:0.02,0.05")),
        ({"lambda": 0.001}, Knob(lam=0.001)),
        ({"scale": 36}, Knob(scale=36)),
    ],
)
def test_each_request_has_its_knob(served, ask, knob, expected):
    ask(extra_body={"m3scale": knob})
    assert served.model.asked[0].knob == expected


def test_logprobs_are_told(ask):
    [choice] = ask(logprobs=True, top_logprobs=2).choices
    [token] = choice.logprobs.content
    assert (token.token, token.logprob, bytes(token.bytes)) == ("r\u00e9d", -0.1, b"r\xc3\xa9d")
    assert [(one.token, one.logprob) for one in token.top_logprobs] == [
        ("r\u00e9d", -0.1),
        ("blue", -2.0),
    ]


def test_a_stream_brings_pieces_then_how_it_came_about(ask):
    pieces = list(ask(stream=True, stream_options={"include_usage": True}, logprobs=True))
    assert pieces[0].choices[0].delta.role == "assistant"
    words = [piece.choices[0].delta.content for piece in pieces[1:-2]]
    assert words == ["what", " colour", " is", " it"]
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-2].choices[0].logprobs.content[0].token == "r\u00e9d"
    assert pieces[-2].m3scale["scale"] == 9
    assert pieces[-1].choices == []
    assert pieces[-1].usage.prompt_tokens == 29
    assert len({piece.id for piece in pieces}) == 1
    assert all(piece.usage is None for piece in pieces[:-1])


def test_a_stream_without_usage_says_nothing_of_it(ask):
    pieces = list(ask(stream=True))
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert all(piece.usage is None for piece in pieces)


def test_the_async_client_too(served, write_messages):
    async def run():
        async with openai.AsyncOpenAI(
            base_url=f"{served.address}/v1", api_key="none", max_retries=0
        ) as client:
            create = client.chat.completions.create
            asked = (
                create(model="m3", messages=write_messages([PIXELS], f"question {number}"))
                for number in range(4)
            )
            return [one.choices[0].message.content for one in await asyncio.gather(*asked)]

    assert asyncio.run(run()) == [f"question {number}" for number in range(4)]


def post(served, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    url = f"{served.address}/v1/chat/completions"
    return httpx2.post(url, content=content, headers=headers)


def refuse(served, body, status=400):
    response = post(served, body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "\n" not in error["message"]
    assert len(error["message"]) < 400
    return error


@pytest.fixture(scope="module")
def body(write_messages):
    return {"model": "m3", "messages": write_messages([PIXELS], "what")}


WHOLE = ("n", "max_tokens", "max_completion_tokens", "seed", "top_logprobs")
PENALTIES = ("frequency_penalty", "presence_penalty")
KNOBS = ("budget", "drop", "certified", "lambda", "scale")

WRONG = [
    ({"tools": []}, "tools", "'tools' is not supported here"),
    ({"\ud800": 1}, None, "unicode string"),
    ({"x" * 1000: 1}, "x" * 1000, "is not supported here"),
    ({"n": 2}, "n", "'n': input should be less than or equal to 1, not 2"),
    *(({name: True}, name, "valid integer, not True") for name in WHOLE),
    *(({name: True}, name, "valid number, not True") for name in ("temperature", "top_p")),
    *(({name: False}, name, "valid number, not False") for name in PENALTIES),
    *(({"m3scale": {name: True}}, f"m3scale.{name}", "not True") for name in KNOBS),
    ({"max_tokens": 51}, None, "an answer may have 50 tokens, got 51"),
    ({"max_tokens": 0}, None, "max_new_tokens must be at least 1, got 0"),
    ({"max_tokens": "5"}, "max_tokens", "valid integer"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, None, "not both"),
    ({"temperature": 3}, None, "temperature must be a number from 0 to 2"),
    ({"temperature": float("nan")}, "temperature", "finite number"),
    ({"top_p": float("inf")}, "top_p", "finite number"),
    ({"top_p": 0}, None, "top_p must be"),
    ({"seed": 2**64}, None, "seed must be"),
    ({"stop": ["a"] * 5}, None, "stop must be at most 4"),
    ({"stop": [""]}, None, "each stop must be"),
    ({"stop": 1}, "stop", "valid list"),
    ({"top_logprobs": 2}, None, "top_logprobs goes with logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, None, "top_logprobs must be"),
    ({"stream_options": {"include_usage": True}}, None, "stream_options goes with stream"),
    ({"frequency_penalty": 0.5}, "frequency_penalty", "less than or equal to 0"),
    ({"response_format": {"type": "json_object"}}, "response_format.type", "should be 'text'"),
    ({"m3scale": {}}, None, "give just one of budget, drop"),
    ({"m3scale": {"budget": 9, "scale": 9}}, None, "got budget and scale"),
    ({"m3scale": {"scale": 9, "unit": "ms"}}, None, "unit goes with budget"),
    ({"m3scale": {"lam": 1}}, "m3scale.lam", "is not supported here"),
    ({"m3scale": {"certified": "x"}}, None, "expected"),
    ({"m3scale": {"budget": float("nan")}}, "m3scale.budget", "finite number"),
    ({"messages": []}, "messages", "at least 1 item"),
    ({"messages": [{"role": "user", "content": "x"}] * 201}, "messages", "at most 200 items"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "'user'"),
    ({"messages": [{"role": "user", "content": "x"}]}, None, "needs at least one image"),
    ({"messages": [{"role": "user", "content": None}]}, "messages.0.content", "only an assistant"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content", "valid list"),
    (
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]},
        "messages.0.tool_calls",
        "should be None",
    ),
    ({"messages": [{"role": "user"}]}, "messages.0.content", "is missing"),
    (
        {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
        "messages.0.content.0",
        "'text', 'image_url'",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages.0.content.0.image_url.url",
        "is missing",
    ),
    ({"model": None}, "model", "valid string"),
]


@pytest.mark.parametrize(("change", "param", "message"), WRONG)
def test_what_is_wrong_is_named(served, body, change, param, message):
    error = refuse(served, {**body, **change})
    assert message in error["message"]
    assert error["param"] == param
    assert not served.model.asked


def test_what_the_model_refuses_is_a_bad_request(served, body, write_messages):
    asked = {**body, "messages": write_messages([PIXELS], "an impossible question")}
    for stream in (False, True):
        error = refuse(served, {**asked, "stream": stream})
        assert error["message"] == "the question is impossible"


def test_what_is_long_to_check_holds_up_nobody(served, ask):
    asking = threading.Thread(target=ask, args=("long",))
    asking.start()
    wait_until(lambda: served.limiter.active == 1)
    time.sleep(0.1)  # until the check is under way
    assert httpx2.get(f"{served.address}/healthz", timeout=1).status_code == 200
    served.model.go.set()
    asking.join()


def test_images_are_bounded(served, body, write_messages):
    error = refuse(served, {**body, "messages": write_messages([PIXELS] * 4, "what")})
    assert error["message"] == "got 4 images, 3 is most"
    large = Image.new("RGB", (101, 100))
    error = refuse(served, {**body, "messages": write_messages([PIXELS, large], "what")})
    assert error["param"] == "messages.0.content.1.image_url"
    half = Image.new("RGB", (100, 60))
    two = write_messages([half], "what") + [{"role": "assistant", "content": "x"}]
    for messages in (write_messages([half, half], "what"), two + write_messages([half], "what")):
        error = refuse(served, {**body, "messages": messages})
        assert (
            "has 100x60 pixels, the images of a request may have 0.01 million" in error["message"]
        )
    error = refuse(served, {**body, "messages": write_messages([], "x" * 90_000)})
    assert "image" in error["message"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 50_000, b'{"a":' * 20_000,
        b'{"model": NaN}', b"1" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_object_is_refused(served, content):
    refuse(served, content)


def test_another_content_type_is_told(served, body):
    url = f"{served.address}/v1/chat/completions"
    response = httpx2.post(url, content=json.dumps(body), headers={"content-type": "text/plain"})
    assert response.status_code == 400
    assert "content-type: application/json" in response.json()["error"]["message"]


def test_other_models_and_paths_are_not_there(served, body):
    error = refuse(served, {**body, "model": "gpt-4o"}, 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    for path, status in {"/v1/embeddings": 404, "/docs": 404, "/v1/chat/completions": 405}.items():
        response = httpx2.get(f"{served.address}{path}")
        assert response.status_code == status
        assert response.json()["error"]["type"] == "invalid_request_error"


def test_the_model_is_listed(served):
    [model] = served.client.models.list().data
    assert (model.id, model.object) == ("m3", "model")
    assert served.client.models.retrieve("m3").id == "m3"
    with pytest.raises(openai.NotFoundError):
        served.client.models.retrieve("other")
    assert httpx2.get(f"{served.address}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{served.address}/readyz").json() == {"status": "ok"}


def test_the_document_tells_what_is_understood_and_what_errors_look_like(served):
    document = httpx2.get(f"{served.address}/openapi.json").json()
    schemas = document["components"]["schemas"]
    asked = schemas["ChatRequest"]
    assert asked["additionalProperties"] is False
    assert {"messages", "m3scale", "stream_options"} <= set(asked["properties"])
    assert asked["required"] == ["model", "messages"]
    assert "lambda" in schemas["AskedKnob"]["properties"]
    assert {"type": "string"} in schemas["Message"]["properties"]["content"]["anyOf"]
    assert set(schemas["ErrorInfo"]["properties"]) == {"message", "type", "param", "code"}
    told = document["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert set(told) == {"200", "4XX", "5XX"}
    assert set(told["200"]["content"]) == {"application/json", "text/event-stream"}


def test_a_broken_model_is_a_server_error_that_touches_nobody_else(served, ask, caplog):
    with pytest.raises(openai.InternalServerError, match="the server failed"):
        ask("fail")
    pieces = ask("one fail", stream=True)
    with pytest.raises(openai.APIError, match="the server failed"):
        list(pieces)
    assert "the model is broken" in caplog.text
    assert ask().choices[0].message.content == "what colour is it"


def test_an_answer_that_takes_too_long_is_given_up(served, ask):
    ended = served.model.ended
    with pytest.raises(openai.InternalServerError, match="no answer within 2 s") as caught:
        ask("wait")
    assert caught.value.status_code == 504
    wait_until(lambda: served.model.ended == ended + 1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("question", ["wait", "one wait"])
def test_who_leaves_frees_the_place_and_ends_the_answer(
    served, body, write_messages, question, stream
):
    ended, answered = served.model.ended, served.model.answered
    asked = {**body, "messages": write_messages([PIXELS], question), "stream": stream}
    client = httpx2.Client()
    url = f"{served.address}/v1/chat/completions"
    with pytest.raises(httpx2.ReadTimeout), client:
        with client.stream("POST", url, json=asked, timeout=0.3) as response:
            response.read()
    wait_until(lambda: served.limiter.active == 0, 1)
    assert (served.model.ended, served.model.answered) == (ended + 1, answered)


def test_metrics_count_what_happened(served, ask):
    def read():
        lines = httpx2.get(f"{served.address}/metrics").text.splitlines()
        return {
            name: float(value)
            for name, _, value in (x.rpartition(" ") for x in lines if x[0] != "#")
        }

    before = read()
    ask()
    ask("strange")
    ask(extra_body={"m3scale": {"scale": 1}})
    with pytest.raises(openai.BadRequestError):
        ask("impossible")
    after = read()
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert grown['m3scale_responses_total{status="200"}'] == 3
    assert grown['m3scale_responses_total{status="400"}'] == 1
    # One answer each at 9, 36 and 1; buckets hold the smaller ones too.
    assert [grown[f'm3scale_scale_bucket{{le="{k}.0"}}'] for k in SCALES] == [1, 2, 3]
    assert grown["m3scale_visual_tokens_total"] == 46
    assert grown["m3scale_visual_tokens_saved_total"] == 27 + 0 + 35
    assert grown["m3scale_unfamiliar_total"] == 1
    assert grown['m3scale_stage_seconds_sum{stage="encode"}'] == pytest.approx(0.012)
    assert grown['m3scale_stage_seconds_count{stage="total"}'] == 3
    # Only the first was at the server's own operating point and familiar: half are missing at 36.
    assert grown["m3scale_scale_drift_answers"] == 1
    assert after["m3scale_scale_drift"] == 0.5
    assert after["m3scale_requests_in_progress"] == 0
    assert after["process_resident_memory_bytes"] > 1e6


def test_what_was_accepted_is_answered_when_the_server_ends(serving, write_messages):
    model, limiter = Model(), ConcurrencyLimiter(4)
    got = []
    with serving(build_app(make_chat(model, limiter), limiter, 100_000)) as running:
        body = {"model": "m3", "messages": write_messages([PIXELS], "one wait")}
        threads = [
            threading.Thread(target=lambda: got.append(post(running, body))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(model.asked) == 3)
        running.server.should_exit = True
        time.sleep(0.3)
        with pytest.raises(httpx2.ConnectError):
            post(running, body)
        model.go.set()
        for thread in threads:
            thread.join()
    assert [one.json()["choices"][0]["message"]["content"] for one in got] == ["one wait"] * 3


def test_what_takes_longer_than_the_grace_is_told_so(serving, write_messages):
    model, limiter = Model(), ConcurrencyLimiter(4)
    got = []
    with serving(
        build_app(make_chat(model, limiter), limiter, 100_000), grace_seconds=1
    ) as running:
        body = {"model": "m3", "messages": write_messages([PIXELS], "wait")}
        thread = threading.Thread(target=lambda: got.append(post(running, body)))
        thread.start()
        wait_until(lambda: len(model.asked) == 1)
        running.server.should_exit = True
        thread.join()
    assert got[0].status_code == 503
    assert got[0].json()["error"]["code"] == "server_ending"
    assert model.ended == 1


def test_readiness_says_what_is_missing(serving):
    limiter = ConcurrencyLimiter(1)
    upstreams = Upstreams(["http://127.0.0.1:9"], None, 1)
    app = build_app(make_chat(Model(), limiter), limiter, 1000, upstreams=upstreams)
    with serving(app) as running:
        response = httpx2.get(f"{running.address}/readyz")
        assert response.status_code == 503
        assert response.json()["error"]["message"] == "no upstream is up"
        upstreams.servers[0].up = True
        assert httpx2.get(f"{running.address}/readyz").status_code == 200
