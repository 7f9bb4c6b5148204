"""Made-up results of a report: small, every number its own, with words that need escaping."""

import pytest


def make_point(target, tokens, accuracy, ogc):
    run = {"seed": 7, "tokens": tokens, "accuracy": accuracy, "ogc": ogc, "regression_rate": 0.0123}
    return {
        "target": target,
        "lambda": 0.000321,
        "tokens": tokens,
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.0111,
        "accuracy_high": accuracy + 0.0122,
        "hull": accuracy - 0.0333,
        "oracle": accuracy + 0.0777,
        "ogc": ogc,
        "ogc_low": ogc - 0.0909,
        "ogc_high": ogc + 0.0808,
        "regression_rate": 0.0456,
        "rescue_rate": 0.0234,
        "per_seed": [run],
        "histogram": {"1": 0.5, "9": 0.3, "36": 0.2},
    }


def make_router(shift):
    at = {
        "9": make_point(9.0, 8.71 + shift, 0.6123 + shift / 100, 0.4321 - shift / 10),
        "18": make_point(18.0, 17.32 + shift, 0.7123 + shift / 100, 0.5321 - shift / 10),
    }
    curve = [{"tokens": t, "accuracy": a, "lambda": 0.1} for t, a in ((1, 0.31), (36, 0.82))]
    return {"curve": curve, "at": at}


@pytest.fixture
def results():
    """What a report needs, as it was before the studies below were added."""
    share = {"1": 0.41, "9": 0.22, "36": 0.19, "never": 0.18}
    control = {"ogc_9": 0.1, "behind_router": 0.2626, "behind_router_low": 0.1717}
    return {
        "meta": {"n_questions": 1234, "n_images": 217, "checkpoint": "c0ffee", "seeds": [7]},
        "scales": [1, 9, 36],
        "seeds": [7],
        "settings": {"level": 0.95, "seed": 0},
        "fixed": {
            "1": {"accuracy": 0.3131, "tokens": 1.0, "accuracy_low": 0.3, "accuracy_high": 0.33},
            "9": {"accuracy": 0.5252, "tokens": 9.0, "accuracy_low": 0.5, "accuracy_high": 0.55},
            "36": {"accuracy": 0.8383, "tokens": 36.0, "accuracy_low": 0.8, "accuracy_high": 0.85},
        },
        "hull": [[1.0, 0.3131], [36.0, 0.8383]],
        "random_mixing": [{"tokens": 1, "accuracy": 0.3131}, {"tokens": 36, "accuracy": 0.8383}],
        "oracle_curve": [{"tokens": 1, "accuracy": 0.3131}, {"tokens": 36, "accuracy": 0.9}],
        "oracle": {
            rule: {
                "accuracy": 0.8989,
                "tokens": 11.4,
                "tokens_dearest": 14.6,
                "tokens_drop": 12.7,
                "never": 0.1011,
            }
            for rule in ("minimal-correct", "stable")
        },
        "router": make_router(0.0),
        "omniscient": make_router(0.5),
        "baselines": {"question_only": make_router(1.0), "shuffled_labels": make_router(2.0)},
        "controls": {"question_only": {**control, "behind_router_high": 0.3535}},
        "families": {
            "gist": {
                "n": 617,
                "1": 0.62,
                "9": 0.71,
                "36": 0.86,
                "minimal_share": share,
                "routed": {"accuracy": 0.77, "tokens": 6.0},
            },
            "<b>reading</b>": {"n": 618, "1": 0.1, "9": 0.4, "36": 0.8, "minimal_share": share},
        },
        "scale_histogram": {"gist": {"1": 0.55, "9": 0.33, "36": 0.12}, "<b>reading</b>": {}},
        "minimal_share": share,
        "non_monotone_share": 0.0654,
        "luck_floor": 0.0987,
        "headline": {
            "n": 1234,
            "target": 9.0,
            "ogc_9": 0.4321,
            "ogc_9_low": 0.3412,
            "ogc_9_high": 0.513,
            "tokens": 8.71,
            "accuracy": 0.6123,
            "accuracy_dearest": 0.8383,
            "regression_rate": 0.0456,
            "rescue_rate": 0.0234,
            "parity_tokens": 13.57,
            "parity_share": 0.3769,
            "parity_accuracy": 0.8346,
            "parity_drop": 0.0037,
            "parity_drop_low": -0.0021,
            "parity_drop_high": 0.0096,
            "router_ms": 0.0314,
            "router_ms_single": 0.276,
            "router_mb": 1.375,
        },
        "gallery": [
            {
                "sample_id": "s1",
                "family": "gist",
                "image": "gallery/s1.png",
                "chosen": 9,
                "question": 'Is "1 < 2" & <script>alert(1)</script>?',
                "answers": ["<img src=x onerror=alert(2)>"],
                "scales": {
                    "1": {"answer": "<i>no</i>", "score": 0.0, "probability": 0.2727, "net": 0.271},
                    "9": {"answer": "yes", "score": 1.0, "probability": 0.8484, "net": 0.833},
                    "36": {"answer": "nearly", "score": 0.6, "probability": 0.9191, "net": 0.792},
                },
            }
        ],
    }


def make_cost(unit, most):
    def points(*actual):
        return [{"cost": c * most, "accuracy": a} for c, a in actual]

    ends = points((0.2, 0.3131), (0.9, 0.8383))
    curve = points((0.2, 0.3131), (0.5, 0.711), (0.9, 0.8283))
    return {
        "unit": unit,
        "note": f"Counted in {unit} & <b>honestly</b>",
        "fixed": {"1": ends[0], "9": points((0.3, 0.5252))[0], "36": ends[1]},
        "hull": [[point["cost"], point["accuracy"]] for point in ends],
        "oracle_curve": ends,
        "random_mixing": ends,
        "omniscient": None,
        "router": [
            {**p, "accuracy_low": p["accuracy"] - 0.02, "accuracy_high": p["accuracy"] + 0.01}
            for p in curve
        ],
        "parity": {
            "cost": 0.61 * most,
            "cost_low": 0.58 * most,
            "cost_high": 0.67 * most,
            "share": 0.6789,
            "accuracy": 0.8333,
            "drop": 0.0043,
        },
    }


def make_kind(name, ogc, is_default=False):
    behind = None if is_default else 0.0707
    return {
        "name": name,
        "kind": name.split()[0],
        "is_default": is_default,
        "seeds": 1,
        "ogc_9": ogc,
        "ogc_9_low": ogc - 0.06,
        "ogc_9_high": ogc + 0.05,
        "behind_router": behind,
        "behind_router_low": behind and 0.01,
        "behind_router_high": behind and 0.13,
        "calibration_ogc_9": ogc + 0.03,
        "parity_tokens": 14.4,
        "parity_drop": 0.0031,
        "router_ms": 0.0414,
        "router_mb": 0.777,
        "router_ms_single": 0.321,
        "train_s": 12.3,
        "settings": {"rounds": 200, "rate": 0.05},
    }


@pytest.fixture
def whole_results(results):
    """The same with every section that a report knows."""
    bins = [
        {"n": n, "probability": p, "score": s} for n, p, s in ((90, 0.2, 0.24), (300, 0.8, 0.77))
    ]
    calibrated = {str(k): {"ece": 0.021, "brier": 0.15, "reliability": bins} for k in (1, 9, 36)}
    raw = {str(k): {"ece": 0.071, "brier": 0.18, "reliability": bins} for k in (1, 9, 36)}
    routed = {"accuracy": 0.6666, "tokens": 8.8, "regression_rate": 0.0515}
    level = {"alpha": 0.02, "delta": 0.1, "images": 200, "needed": 120, "draws": 1000}
    kept = {"risk": 0.011, "tokens": 21.1, "safe_tokens": 15.5, "drawn_violations": 0.035}
    kept["resplit_violations"] = 0.0612
    moved = {"outlier": 0.01, "share": 0.44, "without": routed, "with": {**routed, "tokens": 30.3}}
    certified = {**moved, "without": {**routed, "loss": 0.0288}, "with": {**routed, "loss": 0.0277}}
    block = {
        "block": "one coarse token",
        "version": "2",
        "what": "mean of the image",
        "columns": 64,
    }
    spoilt = {"ogc_9_without": 0.3, "loss": 0.1321, "loss_low": 0.08, "loss_high": 0.19}
    metrics = {
        "apgr": 0.8123,
        "cpt_50": 0.0456,
        "cpt_80": None,
        "aiq": 0.7,
        "nauc": 0.72,
        "qnc": 0.4,
    }
    results["router"]["metrics"] = metrics
    for point in results["router"]["at"].values():
        point.update(token_regret=3.3, over=0.2, under=0.1, dataset_oracle=0.8)
        point.update(dataset_tokens=33.3, dataset_gain=-0.19)
    results["headline"].update(
        of_omniscient=0.93, of_omniscient_low=0.881, of_omniscient_high=0.967
    )
    return {
        **results,
        "costs": {
            "tokens": make_cost("visual tokens", 40.0),
            "flops": make_cost("TFLOP", 0.61),
            "ms": make_cost("ms", 81.0),
        },
        "zoo": [make_kind("boosted", 0.43, True), make_kind("mlp rank", 0.36)],
        "ablation": {
            "full": {"ogc_9": 0.4321, "ogc_9_low": 0.34, "ogc_9_high": 0.51, "ms": 0.03},
            "seeds": 2,
            "split": "test",
            "rows": [
                {**block, **spoilt, "ogc_9_alone": None, "loss_calibration": 0.1515, "ms": 0.011}
            ],
        },
        "learning_curve": {
            "seeds": 2,
            "rows": [
                {"images": 150, "ogc_9": 0.3333, "behind": 0.0987}
                | {"behind_low": 0.0611, "behind_high": 0.1444},
                {"images": 301, "ogc_9": 0.4321},
            ],
        },
        "leave_one_out": {
            "gist": {
                "n": 617,
                "ogc_9": 0.2,
                "ogc_9_low": 0.1,
                "ogc_9_high": 0.3,
                **routed,
                "seen": {**routed, "ogc_9": 0.4},
                "fallback": {**routed, "share": 0.7},
            }
        },
        "paraphrase": {
            "n": 400,
            "images": 100,
            "changed_9": 0.0888,
            "changed_9_low": 0.07,
            "changed_9_high": 0.11,
            "moved_up": 0.05,
            "moved_down": 0.04,
            "accuracy": 0.61,
            "accuracy_rephrased": 0.6,
            "tokens": 8.7,
            "tokens_rephrased": 8.9,
            "fixed_changed": 0.02,
            "ogc_9_rephrased": 0.41,
        },
        "certified": {"0.02,0.1": {**level, **kept, "drawn_cost_ratio": 1.42}},
        "fallback_certified": {"0.02,0.1": {**level, "test": certified, "ood": certified}},
        "calibration": calibrated,
        "calibration_raw": raw,
        "cascade": {
            "at": {
                "9": {"target": 9.0, "tokens": 9.1, "tokens_p95": 46, "accuracy": 0.6, "ogc": -0.1}
            }
        },
        "ood": {
            "fixed": {"36": {"accuracy": 0.7474, "tokens": 36.0}},
            "router_at_9": {**routed, "ogc": 0.2121, "ogc_low": 0.1, "ogc_high": 0.3},
            "regression_rate": 0.0858,
        },
        "fallback": moved,
        "fallback_ood": moved,
        "ladder": {
            "sentence": "Worth routing: 11 tokens per question can keep what 36 get.",
            "headroom": [{"tokens": 9.0, "hull": 0.43, "oracle": 0.6, "headroom": 0.17}],
            "verdict": "worth",
            "attainable": {"gain": 0.0412, "gain_low": -0.0013, "gain_high": 0.0567},
        },
        "attainable": {
            "9": {
                "tokens": 8.8,
                "accuracy": 0.6123,
                "hull": 0.5252,
                "oracle": 0.7272,
                "ogc_oracle": 0.4312,
                "ceiling": 0.6464,
                "ceiling_low": 0.6262,
                "ceiling_high": 0.6666,
                "ogc": 0.7187,
                "ogc_low": 0.6111,
                "ogc_high": 0.8222,
            }
        },
    }
