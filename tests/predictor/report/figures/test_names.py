"""Names of groups come from users: in a figure they are text, whatever they hold."""

import pytest

from predictor.report.figures.render import draw_figure, to_png, to_svg


@pytest.mark.parametrize(
    "name", ["$x^{$", "$\\frac{1}$", "\u4e2d\u6587 \U0001f600", "<b>&", "a\nb"]
)
def test_a_name_is_drawn_as_it_is_and_without_a_warning(name):
    family = {"minimal_share": {"1": 0.5, "never": 0.5}}
    results = {"scales": [1, 576], "families": {name: family}, "scale_histogram": {}}
    figure = draw_figure("scales", results)
    assert to_png(figure).startswith(b"\x89PNG")
    assert to_svg(figure, "a").startswith("<svg")
