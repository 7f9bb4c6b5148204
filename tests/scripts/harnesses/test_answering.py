"""A tiny model answers as harnesses ask, at one scale and with a router."""

import numpy as np
import pytest
from PIL import Image

from m3_backbone.backbone import M3Backbone
from m3_backbone.inference.sampling import Sampling
from m3_backbone.scales import TOKEN_SCALES
from predictor.adaptive import AdaptiveM3
from predictor.policy.prices import Price
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Turn
from scripts.harnesses.answering import open_model
from scripts.harnesses.model_args import read_model_args


class FakeRouter:
    """Believes in one scale or another by the question; tokens cost nothing."""

    scales, extras, gate = TOKEN_SCALES, (), None
    usual_budget = 91.2

    def __init__(self, checkpoint):
        self.meta = {"checkpoint": checkpoint}

    def predict_proba(self, coarse, question, extras):
        steps = np.linspace(0.1, 0.9, len(self.scales))
        return np.stack([np.roll(steps, int(1e6 * abs(row[0]))) for row in question])

    predict_raw = predict_proba

    def price(self, budget, unit):
        if budget < 1:
            raise ValueError(f"no router keeps to {budget} {unit}")
        return Price(0.0)


@pytest.fixture(scope="module")
def adaptive(tiny_model):
    backbone = M3Backbone.from_pretrained(tiny_model)
    return AdaptiveM3(backbone, FakeRouter(backbone.fingerprint))


@pytest.fixture
def find_router(monkeypatch, adaptive):
    monkeypatch.setattr("predictor.bundle.hub.open_router", lambda name: adaptive.router)


def ask(knob):
    rng = np.random.default_rng(0)
    one, other = (
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)) for _ in range(2)
    )
    turns = (
        Turn("user", "what ?", (one, other)),
        Turn("assistant", "w3"),
        Turn("user", "where ?", (other,)),
    )
    return [
        Request.about(one, "what ?", knob, Sampling(3)),
        Request.about([one, other], "where ?", knob, Sampling(2, stop=("w",))),
        Request(turns, knob, Sampling(4, temperature=0.9, seed=3)),
    ]


def open_with(model, **arguments):
    pairs = {"pretrained": model, **{name: str(v) for name, v in arguments.items()}}
    return open_model(read_model_args(pairs.items()))


def test_a_fixed_scale_answers_as_a_router_that_is_told_the_scale(tiny_model, adaptive):
    requests = ask(Knob(scale=9))
    model, knob = open_with(tiny_model, scale=9)
    assert knob == Knob(scale=9)
    for answer, expected in zip(model.answer(requests), adaptive.answer(requests), strict=True):
        assert (answer.text, answer.token_ids) == (expected.text, expected.answer.token_ids)
        assert (answer.scale, answer.visual_tokens) == (9, expected.visual_tokens)
        assert answer.prompt_tokens == expected.prompt_tokens
        assert answer.finish_reason == expected.finish_reason


def test_a_router_answers_as_adaptive_m3_does(tiny_model, adaptive, find_router):
    requests = ask(Knob(budget=30))
    model, knob = open_with(tiny_model, router="r", budget=30, outlier=0)
    assert knob == Knob(budget=30)
    actual, expected = ([(a.text, a.scale) for a in m.answer(requests)] for m in (model, adaptive))
    assert actual == expected
    assert model.outlier == 0


def test_without_an_operating_point_the_budget_is_the_routers_own(tiny_model, find_router):
    _, knob = open_with(tiny_model, router="r")
    assert knob == Knob(budget=91.2)


def test_a_scale_that_the_model_lacks_is_refused(tiny_model):
    with pytest.raises(ValueError, match="illegal scale 7: choose one of 1, 9, 36, 144, 576"):
        open_with(tiny_model, scale=7)


def test_router_and_operating_point_are_looked_at_before_the_model(find_router):
    with pytest.raises(ValueError, match="no router keeps to 0.5 tokens"):
        open_with("no-model", router="r", budget=0.5)


def test_a_router_that_is_missing_is_named():
    with pytest.raises((ValueError, OSError), match="no-router"):
        open_with("no-model", router="./no-router")
