from pathlib import Path
from types import SimpleNamespace

import pytest

from predictor.requests.knobs import Knob
from scripts.stages.ask import AskFiles, AskSettings, ask_files

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


@pytest.mark.parametrize("outlier", [0.0, 0.02, 7.0])
def test_what_a_scale_does_not_use_is_refused_before_anything_is_opened(outlier):
    settings = AskSettings(scale=36, outlier=outlier)
    files = AskFiles(images=(Path("nowhere.png"),))
    with pytest.raises(ValueError, match="--outlier is the router's: leave it out where --scale"):
        ask_files(pytest.fail, "nowhere", files, ["what?"], settings)
