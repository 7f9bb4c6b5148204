import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from predictor.policy.claims import Claim
from predictor.policy.prices import Price
from predictor.requests.knobs import Knob

CLAIM = Claim("net", 0.0123456789, 0.05)

ROUTER = SimpleNamespace(
    price=lambda budget, unit: ("price", budget, unit),
    price_for_drop=lambda drop: ("drop", drop),
    certificate=lambda claim: ("certificate", claim),
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"budget": 72}, ("price", 72, "tokens")),
        ({"budget": 1.5, "unit": "ms"}, ("price", 1.5, "ms")),
        ({"drop": 0.01}, ("drop", 0.01)),
        ({"certified": "0.05,0.1"}, ("certificate", Claim("regression", 0.05, 0.1))),
        ({"certified": CLAIM}, ("certificate", CLAIM)),
        ({"lam": 0}, Price(0)),
        ({"lam": np.float64(0.5)}, Price(0.5)),
        ({"lam": Price(0.25)}, Price(0.25)),
    ],
    ids=str,
)
def test_each_way_asks_the_router_for_its_point(given, expected):
    assert Knob(**given).operating_point(ROUTER) == expected


def test_a_given_scale_leaves_nothing_to_choose():
    with pytest.raises(ValueError, match="scale 36 is given: there is nothing to choose"):
        Knob(scale=36).operating_point(ROUTER)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "give just one of budget, drop, certified, lam, scale, got none"),
        ({"budget": 72, "scale": 9}, "give just one of .*, got budget and scale"),
        ({"lam": 0.1, "unit": "ms"}, "unit goes with budget"),
        ({"budget": 72, "unit": "hours"}, "unit must be one of tokens, flops, ms, got 'hours'"),
        ({"budget": 72, "unit": None}, "unit must be one of tokens, flops, ms, got None"),
        ({"budget": math.nan}, "a budget must be a finite number of at least 0, got nan"),
        ({"budget": 10**400}, "a budget must be a finite number of at least 0, got"),
        ({"budget": "72"}, "a budget must be a finite number of at least 0, got '72'"),
        ({"budget": True}, "a budget must be a finite number of at least 0, got True"),
        ({"budget": -1}, "a budget must be a finite number of at least 0, got -1"),
        ({"drop": 1}, "a drop must lie strictly between 0 and 1, got 1"),
        ({"drop": math.inf}, "a drop must lie strictly between 0 and 1, got inf"),
        ({"lam": -1.0}, "lambda must be a finite number of at least 0, got -1.0"),
        ({"lam": [0.1]}, r"lambda must be .*, got \[0.1\]"),
        ({"scale": 9.0}, "a scale must be a whole number, got 9.0"),
        ({"scale": True}, "a scale must be a whole number, got True"),
        ({"certified": "0.05"}, "expected .*ALPHA,DELTA.*, got '0.05'"),
        ({"certified": "2,0.1"}, "alpha must lie strictly between 0 and 1"),
        ({"certified": 0.05}, "certified must be a claim or its text, got 0.05"),
    ],
    ids=str,
)
def test_none_two_and_senseless_ways_are_refused(given, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        Knob(**given)


def test_numbers_of_numpy_are_as_good_and_are_told_as_plain_ones():
    given = {"budget": np.int64(72)}, {"drop": np.float32(0.5)}, {"lam": np.float16(0.5)}
    for knob in (*given, {"scale": np.uint16(9)}):
        [(name, value)] = knob.items()
        plain = Knob(**{name: value.item()})
        assert Knob(**knob) == plain
        assert json.dumps(Knob(**knob).to_dict()) == json.dumps(plain.to_dict())
    assert Claim("net", np.float32(0.5), np.float64(0.1)) == Claim("net", 0.5, 0.1)
    for alpha in ("0.5", True, None, [0.5]):
        with pytest.raises(ValueError, match="^alpha must lie strictly between 0 and 1, got"):
            Claim("net", alpha, 0.1)


def test_a_knob_is_told_as_it_was_set():
    assert Knob(budget=72).to_dict() == {"budget": 72, "unit": "tokens"}
    assert Knob(certified="0.05,0.1").to_dict() == {"certified": "regression:0.05,0.1"}
    assert Knob(lam=Price(0.25)).to_dict() == {"lam": "Price"}
    assert Knob(scale=9).to_dict() == {"scale": 9}
