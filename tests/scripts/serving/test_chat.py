"""The endpoint as the openai client sees it, in front of a model that does what a test says."""

import asyncio
import threading
import time

import httpx2
import openai
import pytest
from PIL import Image

from predictor.requests.knobs import Knob

PIXELS = Image.new("RGB", (32, 24), "red")


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
    assert request.knob == Knob(budget=9)
    sampling = request.sampling
    assert (sampling.max_new_tokens, sampling.temperature, sampling.seed) == (50, 0.0, 3)


def test_what_is_asked_reaches_the_model(served, ask, write_url):
    image = {"type": "image_url", "image_url": {"url": write_url(PIXELS), "detail": "low"}}
    text, nothing = {"type": "text", "text": "and now"}, {"type": "text", "text": ""}
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [image, {"type": "text", "text": "what"}]},
        {"role": "assistant", "content": "a cat"},
        {
            "role": "user",
            "content": [image, text, nothing, {"type": "text", "text": "this"}, image],
        },
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


def test_what_the_model_refuses_is_a_bad_request(refuse, write_body):
    for stream in (False, True):
        error = refuse(write_body("an impossible question", stream=stream))
        assert error["message"] == "the question is impossible"


def test_what_is_long_to_check_holds_up_nobody(served, ask, wait_until):
    asking = threading.Thread(target=ask, args=("long",))
    asking.start()
    wait_until(lambda: served.limiter.active == 1)
    time.sleep(0.1)  # until the check is under way
    assert httpx2.get(f"{served.address}/healthz", timeout=1).status_code == 200
    served.model.go.set()
    asking.join()


def test_a_broken_model_is_a_server_error_that_touches_nobody_else(served, ask, caplog):
    with pytest.raises(openai.InternalServerError, match="the server failed"):
        ask("fail")
    pieces = ask("one fail", stream=True)
    with pytest.raises(openai.APIError, match="the server failed"):
        list(pieces)
    assert "the model is broken" in caplog.text
    assert ask().choices[0].message.content == "what colour is it"
