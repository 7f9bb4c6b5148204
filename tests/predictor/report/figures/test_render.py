"""Figures are drawn from results, with labels, in colours that follow the reader's setting."""

import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from predictor.report.figures.intervals import gap_rows
from predictor.report.figures.palette import DARK, LIGHT, label_role, step_roles, to_variables
from predictor.report.figures.render import PLOTS, draw_figure, to_png, to_svg
from predictor.report.wording import describe_method, number, percent, points, span, tokens_text


def make_point(target, ogc):
    return {
        "target": target,
        "tokens": target,
        "accuracy": 0.5,
        "accuracy_low": 0.45,
        "accuracy_high": 0.55,
        "ogc": ogc,
        "ogc_low": ogc and ogc - 0.1,
        "ogc_high": ogc and ogc + 0.1,
    }


@pytest.fixture
def results():
    at = {"36": make_point(36, 0.4), "72": make_point(72, 0.5)}
    return {
        "scales": [1, 36, 576],
        "fixed": {"1": {"tokens": 1, "accuracy": 0.2}, "576": {"tokens": 576, "accuracy": 0.8}},
        "hull": [[1, 0.2], [576, 0.8]],
        "oracle": {"minimal-correct": {"tokens": 90, "accuracy": 0.9}},
        "router": {"curve": [{"tokens": 1, "accuracy": 0.2}], "at": at},
        "baselines": {"image_only": {"at": {"72": make_point(72, None)}}},
        "omniscient": {"curve": [], "at": {"72": make_point(72, 0.7)}},
        "headline": {"target": 72.0, "parity_tokens": 150.0, "parity_accuracy": 0.79},
        "families": {"gist": {"minimal_share": {"1": 0.5, "36": 0.2, "576": 0.2, "never": 0.1}}},
        "scale_histogram": {"gist": {"1": 0.6, "36": 0.3, "576": 0.1}},
    }


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("narrow", [False, True])
def test_every_figure_is_labelled_and_themed(results, name, narrow):
    svg = to_svg(draw_figure(name, results, narrow), name)
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and "T00:" not in svg
    for axes in draw_figure(name, results, narrow).axes:
        assert axes.get_xlabel()
    bare = re.sub(r"var\(--\w+, #[0-9a-f]{6}\)", "", svg)
    assert "#ffffff" not in bare and LIGHT["ink"] not in bare


def test_a_figure_is_the_same_every_time(results):
    first, again = (to_svg(draw_figure("accuracy", results), "a") for _ in range(2))
    assert first == again


def test_png_is_a_png_and_pyplot_is_left_alone(results):
    assert to_png(draw_figure("gap", results)).startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules


def test_the_hull_is_straight_in_tokens_not_on_the_logarithmic_axis(results):
    axes = draw_figure("accuracy", results).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "hull of fixed scales")
    x, y = line.get_data()
    np.testing.assert_allclose(y, 0.2 + 0.6 * (np.asarray(x) - 1) / 575)
    assert len(x) > 100 and axes.get_xscale() == "log"


def test_the_router_is_drawn_where_the_results_say(results):
    axes = draw_figure("accuracy", results).axes[0]
    drawn = [tuple(np.ravel(line.get_data())) for line in axes.lines]
    assert (36, 0.5) in drawn and (150.0, 0.79) in drawn


def test_gap_rows_leave_out_what_does_not_exist(results):
    rows = gap_rows(results)
    labels = [row.label for row in rows]
    assert labels == ["router, 36 tokens", "router, 72 tokens", "omniscient, 72"]
    assert (rows[0].low, rows[0].value, rows[0].high) == pytest.approx((0.3, 0.4, 0.5))


def test_bars_are_the_shares(results):
    needed, chosen = draw_figure("scales", results).axes
    assert [bar.get_width() for bar in needed.patches] == pytest.approx([0.5, 0.2, 0.2, 0.1])
    assert [bar.get_width() for bar in chosen.patches] == pytest.approx([0.6, 0.3, 0.1])


def test_nothing_but_scales_and_fixed_points_is_needed(results):
    bare = {key: results[key] for key in ("scales", "fixed")}
    for name in PLOTS:
        assert to_png(draw_figure(name, bare))


def test_an_unknown_figure_is_refused(results):
    with pytest.raises(ValueError, match="accuracy, flops, ms, gap, zoo"):
        draw_figure("pie", results)


def test_no_two_roles_share_a_light_colour():
    assert len(set(LIGHT.values())) == len(LIGHT) and set(LIGHT) == set(DARK)


def contrast(first, second):
    """Give the WCAG contrast ratio of two colours."""
    shades = []
    for color in (first, second):
        parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        shades.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(shades) / min(shades)


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_readable_on_its_ground(colors):
    for role in ("ink", "muted", "router", "omniscient", "oracle", "good", "bad"):
        assert contrast(colors[role], colors["surface"]) >= 4.5
        assert contrast(colors[role], colors["card"]) >= 4.5
    for role in ("step1", "step2", "step3", "step4", "step5", "never"):
        assert contrast(colors[label_role(role)], colors[role]) >= 4.5, role


def test_step_roles_run_from_faint_to_strong():
    assert step_roles(5) == ["step1", "step2", "step3", "step4", "step5"]
    assert step_roles(3) == ["step1", "step3", "step5"]
    assert step_roles(1) == ["step5"] and step_roles(0) == []


def test_only_our_colours_become_variables():
    svg = 'style="fill: #FFFFFF; stroke: #123456"'
    assert to_variables(svg) == 'style="fill: var(--surface, #ffffff); stroke: #123456"'


def test_wording():
    assert percent(0.6123) == "61.2 %" and percent(None) == "–" and percent(-0.00001) == "0.0 %"
    assert points(0.0037) == "-0.4" and points(-0.0037) == "+0.4" and points(0.0) == "0.0"
    assert number(None) == "–" and number(-0.001, 2) == "0.00"
    assert span("1", "2") == "1 to 2" and span("–", "2") == ""
    assert tokens_text(1) == "1 token" and tokens_text("9") == "9 tokens"


def test_methods_and_kinds_have_names_of_their_own_and_new_ones_keep_theirs():
    assert describe_method("knn") == (
        "nearest neighbours",
        "the same features, the mean of the most similar rows",
    )
    assert describe_method("mlp_rank")[0] == "neural network, ranked"
    assert describe_method("brand_new") == ("brand_new", "")
