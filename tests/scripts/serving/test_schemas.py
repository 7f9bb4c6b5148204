"""Requests that are not understood, each told in one line and with the name of its field."""

import pytest
from pydantic import ValidationError

from predictor.requests.knobs import Knob
from scripts.serving.schemas import ChatRequest

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
    ({"m3scale": {"lam": 1, "lambda": 1}}, "m3scale", "lambda and lam are two names of one thing"),
    ({"m3scale": {"lam": 1, "scale": 9}}, None, "got lam and scale"),
    ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1, not 0"),
    ({"m3scale": {"certified": "x"}}, None, "expected"),
    ({"m3scale": {"budget": float("nan")}}, "m3scale.budget", "finite number"),
    ({"messages": []}, "messages", "at least 1 item"),
    ({"messages": [{"role": "user", "content": "x"}] * 201}, "messages", "at most 200 items"),
    (
        {"messages": [{"role": "user", "content": [{}] * 501}] * 2},
        "messages",
        "1000 parts together",
    ),
    (
        {"metadata": dict.fromkeys(map(str, range(17)), "")},
        "metadata",
        "should have at most 16 pairs",
    ),
    ({"metadata": {"a": 1}}, "metadata.a", "valid string, not 1"),
    ({"tools": None, "a": 1, "n": 1, "b": 1}, "a", "'a' is not supported here"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "'user'"),
    ({"messages": [{"role": "user", "content": "x"}]}, None, "needs at least one image"),
    ({"messages": [{"role": "user", "content": None}]}, "messages.0.content", "only an assistant"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content", "valid list"),
    (
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]},
        "messages.0.tool_calls",
        "is not supported here",
    ),
    ({"messages": [{"role": "user"}]}, "messages.0.content", "is missing"),
    (
        {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
        "messages.0.content.0",
        "'text', 'image_url'",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "x" * 5000}]}]},
        "messages.0.content.0",
        "type must be one of 'text', 'image_url', not {'type': 'xxx",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages.0.content.0.image_url.url",
        "is missing",
    ),
    ({"model": None}, "model", "valid string"),
]


@pytest.mark.parametrize(("change", "param", "message"), WRONG)
def test_what_is_wrong_is_named(served, refuse, write_body, change, param, message):
    error = refuse(write_body(**change))
    assert message in error["message"]
    assert len(error["message"]) < 400
    assert error["param"] == param
    assert not served.model.asked


UNKNOWN = {str(number): number for number in range(1000)}
PARTS = [
    [1] * 1000,
    [{"type": "text", "text": 1}] * 1000,
    [{"type": "image_url", "image_url": {}}] * 1000,
    [{"type": "text", "text": "", **UNKNOWN}],
    [{"type": "image_url", "image_url": {"url": "", **UNKNOWN}}],
]


@pytest.mark.parametrize(
    "change",
    [
        UNKNOWN,
        {"m3scale": UNKNOWN},
        {"stream_options": UNKNOWN},
        {"response_format": UNKNOWN},
        {"metadata": UNKNOWN},
        {"stop": [1] * 1000},
        {"modalities": [1] * 1000},
        {"messages": [1] * 1000},
        {"messages": [1] * 200},
        {"messages": [{"role": "user", "content": "", **UNKNOWN}] * 200},
        {"messages": [{"role": "user", "content": "", "annotations": [1] * 1000}] * 200},
        *({"messages": [{"role": "user", "content": parts}]} for parts in PARTS),
    ],
    ids=lambda change: " ".join(list(change)[:1]),
)
def test_of_many_mistakes_few_are_looked_for(change):
    # Each takes time and memory, though the first alone is told.
    body = {"model": "m3", "messages": [{"role": "user", "content": "what"}]}
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate({**body, **change})
    assert caught.value.error_count() <= 3


def test_a_price_has_the_name_that_it_has_in_programs_too(ask):
    assert ask(extra_body={"m3scale": {"lam": 0.5}}) is not None
    assert ask(extra_body={"m3scale": {"lambda": 0.5}}) is not None


def test_what_is_null_asks_for_nothing(ask, write_body):
    unknown = dict.fromkeys(("tools", "tool_choice", "logit_bias", "reasoning_effort"))
    [turn] = write_body()["messages"]
    said = {"role": "assistant", "content": "red", "tool_calls": None, "reasoning_content": None}
    for knob in ({"scale": 9, "lambda": None, "lam": None, "unit": None}, None):
        answer = ask(messages=[turn, said, turn], extra_body={**unknown, "m3scale": knob})
        assert answer.choices[0].message.content == "what"


@pytest.mark.parametrize(
    ("knob", "expected"),
    [
        ({"budget": 72, "unit": None}, Knob(budget=72)),
        ({"lambda": 0.5, "lam": None}, Knob(lam=0.5)),
        ({"lambda": None, "lam": 0.5}, Knob(lam=0.5)),
    ],
)
def test_what_is_null_in_a_knob_is_left_out(served, ask, knob, expected):
    ask(extra_body={"m3scale": knob})
    assert served.model.asked[0].knob == expected
