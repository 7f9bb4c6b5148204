"""The report in a real Chromium, on a desk and on a phone, light and dark: nothing sticks out.

`pytest tests/predictor/report/test_page_in_browser.py --page runs/study/scenes-v3/report/index.html
--picture docs/report.png` makes the picture of the documentation.
"""

import io
import itertools
from pathlib import Path

import pytest
from PIL import Image

from predictor.report.figures.palette import DARK, LIGHT
from predictor.report.report import write_report

SETTINGS = list(itertools.product((1280, 375), ("light", "dark")))

LOOK = """(() => {
  const out = (inner, outer) => inner.width > 0 &&
    (inner.right > outer.right + 1 || inner.left < outer.left - 1);
  const page = {left: 0, right: innerWidth};
  const name = (e) => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40);
  const shown = (e) => e.getClientRects().length > 0;
  const box = (e) => e.getBoundingClientRect();
  const labelled = (svg, axis) =>
    [...svg.querySelectorAll(`g[id*="matplotlib.axis_${axis}"] > g[id*="text_"] text`)]
      .some((e) => e.textContent.trim());
  return {
    over: document.documentElement.scrollWidth - innerWidth,
    sticking: [...document.querySelectorAll('main *:not(svg *)')]
      .filter((e) => !e.parentElement.closest('.scroll') && out(box(e), page)).map(name),
    cut: [...document.querySelectorAll('svg text')]
      .filter((e) => shown(e) && out(box(e), box(e.closest('svg')))).map(name),
    figures: [...document.querySelectorAll('figure')].map((figure) => {
      const [svg, ...others] = [...figure.querySelectorAll('svg')].filter(shown);
      return {
        alone: Boolean(svg) && others.length === 0,
        caption: figure.querySelector('figcaption').textContent,
        label: svg.getAttribute('aria-label'), x: labelled(svg, 1), y: labelled(svg, 2),
        ink: getComputedStyle(svg.querySelector('text')).fill,
      };
    }),
    unnamed: [...document.querySelectorAll('img')].filter((e) => !e.alt).length,
    broken: [...document.querySelectorAll('img')]
      .filter((e) => e.complete && !e.naturalWidth).length,
    lost: [...document.querySelectorAll('a')]
      .filter((e) => !document.getElementById(e.hash.slice(1))).map(name),
    ground: getComputedStyle(document.body).backgroundColor,
  };
})()"""


def write_made_up(results, folder):
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(buffer, format="PNG")
    return write_report(results, folder, {"s1": buffer.getvalue()})


def rgb(color):
    return f"rgb({', '.join(str(int(color[k : k + 2], 16)) for k in (1, 3, 5))})"


def check(browser, path):
    for width, scheme in SETTINGS:
        browser.open(path.as_uri(), width, scheme)
        page = browser.look(LOOK)
        colors = {"light": LIGHT, "dark": DARK}[scheme]
        where = f"{path.name} at {width}, {scheme}"
        assert not browser.complaints("file:"), where
        assert page["over"] <= 0, where
        for key in ("sticking", "cut", "lost"):
            assert not page[key], (where, key)
        assert page["unnamed"] == page["broken"] == 0, where
        assert page["figures"], where
        for figure in page["figures"]:
            assert figure["alone"] and figure["caption"] and figure["label"], (where, figure)
            assert figure["x"] and figure["y"], (where, figure)
            assert figure["ink"] == rgb(colors["ink"]), (where, figure)
        assert page["ground"] == rgb(colors["surface"]), where


@pytest.mark.parametrize("name", ["results", "whole_results"])
def test_a_report_fits_its_window_and_needs_nothing(browser, request, tmp_path, name):
    check(browser, write_made_up(request.getfixturevalue(name), tmp_path))


def test_the_page_that_was_named(browser, request):
    page = request.config.getoption("--page")
    if page is None:
        pytest.skip("no page was named: pytest --page runs/demo/report/index.html")
    page = Path(page).resolve()
    check(browser, page)
    browser.open(page.as_uri(), 1120)
    picture = browser.take_picture(0, 1120, 1080, request.config.getoption("--picture"))
    assert picture.size == (1120, 1080)
    assert len(picture.getcolors(2**20)) > 100
