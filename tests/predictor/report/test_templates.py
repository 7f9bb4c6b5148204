"""The templates lie in the package, and an installed package has them too."""

import configparser
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["blocks.html", "page.css", "page.html", "report.md", "table.md"]


def test_they_are_found_in_the_package():
    folder = files("predictor.report").joinpath("templates")
    assert sorted(file.name for file in folder.iterdir()) == NAMES
    assert Environment(loader=PackageLoader("predictor.report")).list_templates() == NAMES


def test_a_wheel_takes_them_along():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    (pattern,) = setup["options.package_data"]["predictor.report"].split()
    names = sorted(path.name for path in (ROOT / "predictor" / "report").glob(pattern))
    assert names == NAMES


def test_the_style_sheet_is_css_alone():
    css = files("predictor.report").joinpath("templates/page.css").read_text("utf-8")
    assert not any(mark in css for mark in ("{{", "{%", "{#", "</"))
