"""What cannot be answered is refused in one line before any work."""

import asyncio

import pytest
from PIL import Image

from m3_backbone.backbone import M3Backbone
from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import AdaptiveM3
from predictor.policy.prices import Price
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Turn
from tests.predictor.asking import (
    KNOBS,
    PIXELS,
    make_request,
    make_router,
    read_stream,
)


@pytest.fixture(scope="module")
def adaptive(tiny_llava):
    model, tokenizer = tiny_llava.model(), tiny_llava.tokenizer()
    backbone = M3Backbone(model, tokenizer, tiny_llava.image_processor())
    return AdaptiveM3(backbone, make_router(backbone))


LONG = "red cat " * 345
REFUSED = {
    "an image marker": (Request.about(PIXELS[0], "<image>?", KNOBS[0]), "holds the image marker"),
    "a system": (
        Request((Turn("system", "be brief"), Turn("user", "red?", (PIXELS[0],))), KNOBS[0]),
        "knows no system turn",
    ),
    "a long question": (
        Request.about(PIXELS[0], LONG, KNOBS[0]),
        "there is room for 0 visual tokens, and 1 images take 1 at scale 1",
    ),
    "a longer one": (
        Request.about(PIXELS[0], LONG + LONG, KNOBS[0]),
        "the conversation has 1385 tokens without its images, the model has 700: shorten it",
    ),
    "a long answer": (
        Request.about(PIXELS[0], "red?", Knob(scale=576), Sampling(120)),
        "there is room for 573 visual tokens, and 1 images take 576 at scale 576: shorten",
    ),
    "a scale": (Request.about(PIXELS[0], "red?", Knob(scale=10)), "illegal scale 10: choose one"),
    "a price": (Request.about(PIXELS[0], "red?", Knob(lam=Price(-1.0))), "lambda must be a number"),
    "a budget": (Request.about(PIXELS[0], "red?", Knob(budget=1e308)), "lambda must be a number"),
}


@pytest.mark.parametrize(("request_", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_is_refused_before_any_work(adaptive, monkeypatch, request_, told):
    monkeypatch.setattr(adaptive.backbone, "encode", None)
    monkeypatch.setattr(adaptive.backbone, "question_embedding", None)
    with pytest.raises(ValueError, match=told):
        adaptive.check(request_)
    with pytest.raises(ValueError, match=told):
        adaptive.answer([make_request(0), request_])
    with pytest.raises(ValueError, match=told):
        asyncio.run(read_stream(adaptive, request_))


ONE = Request.about(PIXELS[0], "red?", Knob(scale=36))
MISTAKEN = {
    "one request": (lambda model: model.answer(ONE), "requests must be a list of Request, got Req"),
    "nothing": (lambda model: model.answer(None), "requests must be a list of Request, got None"),
    "a dict": (lambda model: model.answer({0: ONE}), "requests must be a list of Request, got {0"),
    "none in a list": (
        lambda model: model.answer([ONE, None]),
        "requests must be a list of Request, got None at place 1",
    ),
    "check": (lambda model: model.check("red?"), "request must be a Request, got 'red"),
    "route": (lambda model: asyncio.run(model.route(None)), "request must be a Request, got None"),
    "stream": (
        lambda model: asyncio.run(read_stream(model, [ONE])),
        r"request must be a Request, got \[Request",
    ),
    "choose again": (
        lambda model: model.choose_again(ONE, KNOBS[0]),
        "routed must be a RoutedRequest, got Request",
    ),
    "another knob": (
        lambda model: model.choose_again(asyncio.run(model.route(ONE)), 72),
        "knob must be a Knob, got 72",
    ),
    "an image alone": (
        lambda model: model.generate(Image.fromarray(PIXELS[0]), ["red?"], budget=72),
        "images must be a list, got <PIL.Image",
    ),
    "a question alone": (
        lambda model: model.generate([PIXELS[0]], "red?", budget=72),
        "questions must be a list, got 'red",
    ),
    "no list of scales": (
        lambda model: model.generate([PIXELS[0]], ["red?"], scales={36}),
        "a scale must be a whole number, got .36",
    ),
    "a length": (
        lambda model: model.generate([PIXELS[0]], ["red?"], scales=36, max_new_tokens=None),
        "max_new_tokens must be a whole number of at least 1, got None",
    ),
    "a router's path": (
        lambda model: AdaptiveM3(model.backbone, "runs/router"),
        "router must be an opened one, as open_router gives, got 'runs/router'",
    ),
    "no router": (
        lambda model: AdaptiveM3(model.backbone, None),
        "router must be an opened one, as open_router gives, got None",
    ),
    "no model": (
        lambda model: AdaptiveM3(None, model.router),
        "backbone must be an opened one, as M3Backbone.from_pretrained gives, got None",
    ),
    "no checkpoint": (
        lambda model: type(model.backbone).from_pretrained(None),
        "a checkpoint must be a path or a name, got None",
    ),
    "no router's name": (
        lambda _: AdaptiveM3.from_pretrained("m3-mini", None),
        "a router must be a path or a name, got None",
    ),
    "a log": (
        lambda model: AdaptiveM3(model.backbone, model.router, log=True),
        "log must be a path or a DecisionLog, got True",
    ),
    "an outlier": (
        lambda model: AdaptiveM3(model.backbone, make_router(model.backbone, gate=1), outlier="0"),
        "outlier must be a number from 0 to 1, got '0'",
    ),
}


@pytest.mark.parametrize(("call", "told"), MISTAKEN.values(), ids=MISTAKEN)
def test_another_type_is_refused_in_one_line(adaptive, call, told):
    with pytest.raises(ValueError, match=f"^{told}") as caught:
        call(adaptive)
    assert "\n" not in str(caught.value)
