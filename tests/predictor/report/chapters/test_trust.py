"""Each table shows the numbers of the results, and a dash where there is none."""

import pytest

from predictor.report.chapters import trust

METRICS = {
    "apgr": 0.8123,
    "cpt_50": 0.0456,
    "cpt_80": None,
    "aiq": 0.7111,
    "nauc": 0.7222,
    "qnc": 0.4333,
}
POINT = {"tokens": 71.4, "accuracy": 0.8181, "regression_rate": 0.0432}


@pytest.fixture
def results():
    level = {"alpha": 0.02, "delta": 0.1, "images": 200, "needed": 120}
    kept = {"tokens": 214.3, "risk": 0.0067, "safe_tokens": 120.9}
    drawn = {"drawn_violations": 0.035, "drawn_cost_ratio": 1.62}
    at = {"target": 72.0, "tokens": 70.2, "tokens_p95": 46.5, "accuracy": 0.777, "ogc": -0.12}
    moved = {"outlier": 0.01, "share": 0.6789, "without": POINT}
    return {
        "certified": {
            "0.02,0.1": {**level, **kept, **drawn},
            "0.01,0.05": {"alpha": 0.01, "delta": 0.05, "images": 200, "needed": 314},
        },
        "cascade": {"at": {"72": at}},
        "router": {"metrics": METRICS},
        "baselines": {"knn": {"metrics": METRICS}, "old": {}},
        "omniscient": None,
        "calibration": {"9": {"ece": 0.0234, "brier": 0.1567, "reliability": []}},
        "fallback_ood": {**moved, "with": {**POINT, "tokens": 404.1, "regression_rate": 0.0111}},
    }


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("_certified_table", ("at most 2 %, confidence 90 %", "214.3", "0.7 %", "120.9", "3.5 %")),
        ("_certified_table", ("1.62", "refused, nothing is claimed", "needs 314 images, has 200")),
        ("_cascade_table", ("budget 72", "70.2", "46.5", "77.7 %", "-0.12")),
        ("_metrics_table", ("router", "nearest neighbours", "0.812", "4.6 %", "–", "0.433")),
        ("_calibration_table", ("9 tokens", "0.023", "0.157")),
        ("_fallback_table", ("unseen content", "67.9 %", "71.4 / 404.1", "4.3 % / 1.1 %")),
    ],
)
def test_tables_show_the_results(results, table, wanted):
    text = str(getattr(trust, table)(results))
    for words in wanted:
        assert words in text
