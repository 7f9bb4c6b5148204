from types import SimpleNamespace

import pytest

from predictor.requests.knobs import Knob
from scripts.stages.ask import AskSettings

ROUTER = SimpleNamespace(usual_budget=360.0)


@pytest.mark.parametrize(
    ("given", "knob"),
    [
        ({}, Knob(budget=360.0)),
        ({"budget": 9.0}, Knob(budget=9.0)),
        ({"budget": 9.0, "unit": "ms"}, Knob(budget=9.0, unit="ms")),
        ({"lam": 0.0}, Knob(lam=0.0)),
        ({"scale": 36}, Knob(scale=36)),
    ],
    ids=str,
)
def test_without_an_operating_point_the_budget_is_the_routers_own(given, knob):
    assert AskSettings(**given).knob(ROUTER) == knob
