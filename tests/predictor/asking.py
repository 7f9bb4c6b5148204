"""Makes the requests, and the router without training, that these tests ask with."""

from types import SimpleNamespace

import numpy as np

from m3_backbone.inference.sampling import Sampling
from m3_backbone.scales import TOKEN_SCALES
from predictor.policy.prices import Price
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Turn

QUESTIONS = [f"what is {word} the cat?" for word in ("on", "red", "left", "dog", "big", "many")]
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3), dtype=np.uint8)
KNOBS = [Knob(budget=72), Knob(lam=1e-3), Knob(scale=144), Knob(lam=1e-5), Knob(scale=9)]


def believe(coarse, question, extras):
    """Probabilities that depend on what is seen and asked."""
    rows = np.abs(np.sin(np.asarray(coarse[:, 0, :5] + question[:, :5], np.float64)))
    return np.sort(rows, axis=1)


def make_router(backbone, **changes):
    facts = {
        "gate": None,
        "meta": {"checkpoint": backbone.fingerprint},
        "scales": TOKEN_SCALES,
        "extras": (),
        "predict_proba": believe,
        "price": lambda budget, unit: Price(budget / 1e5),
    }
    return SimpleNamespace(**{**facts, **changes})


def make_request(number):
    """A request unlike its neighbours; some are conversations, some are drawn."""
    knob = KNOBS[number % len(KNOBS)]
    sampling = Sampling(3 + number % 3, temperature=number % 2, seed=number)
    question = QUESTIONS[number % len(QUESTIONS)]
    image = PIXELS[number % 6]
    if number % 4:
        return Request.about(image, question, knob, sampling)
    asked = Turn("user", "red?", (image,)), Turn("assistant", "dog"), Turn("user", question)
    return Request(asked, knob, sampling)


def as_wanted(answer):
    facts = answer.decision.to_dict()
    times = ("encode_ms", "router_ms", "generate_ms", "time", "probabilities")
    return answer.text, answer.answer.token_ids, {k: v for k, v in facts.items() if k not in times}


async def read_stream(adaptive, request):
    return [piece async for piece in adaptive.stream(request)]
