"""The tables of README.md and docs/results.md are what the command makes of the stored results."""

import copy
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from predictor.report.draws import OF_CEILING
from scripts.benchmarks.study.__main__ import COMMAND, main

ROOT = Path(__file__).resolve().parents[3]
STUDY = sorted((ROOT / "docs" / "study").glob("*.json"))


def call(folder, *names):
    arguments = ["--readme", folder / "README.md", "--page", folder / "results.md", *names]
    return CliRunner().invoke(main, list(map(str, arguments)))


def refuse(folder, *names):
    ran = call(folder, *names)
    assert ran.exit_code == 2 and len(ran.output.splitlines()) == 1, ran.output
    return ran.output


@pytest.fixture
def place(tmp_path):
    (tmp_path / "README.md").write_text(
        "Before.\n<!-- results: written by hand -->\nold\n<!-- end of results -->\nAfter.\n"
    )
    return tmp_path


@pytest.fixture
def study(place):
    """Results of three draws; the last one with repeats, the first one where nothing pays."""
    known = json.loads(STUDY[0].read_text("utf-8"))
    known.pop("attainable", None)
    lost = {"parity_drop": 0.004, "parity_drop_low": -0.001, "parity_drop_high": 0.006}
    known["headline"].update(lost)
    files = []
    for number in (1, 2, 3):
        results = copy.deepcopy(known)
        results["meta"].update(draw=f"scenes-v{number}", command=f"m3scale demo --draw {number}")
        results["headline"].update(ogc_72=number / 10, parity_established=number > 1)
        level = next(iter(known["certified"].values()))
        level = {**level, "tokens": 100.0 + number, "risk": 0.004}
        worst = {"name": "counting", "questions": 163, "risk": 0.098}
        worst |= {"risk_low": 0.06, "risk_high": 0.14, "of": 7}
        level["worst_family"] = worst if number > 1 else None
        results["certified"] = {"net:0.01,0.05": level}
        if number == 1:
            results["ladder"]["verdict"] = "luck"
            results["costs"] = None
        if number == 2:
            # Parity is at 0.99, of which the limit is never.
            results["headline"]["accuracy_dearest"] = 0.995
            curve = [{"cost": 36.0, "accuracy": 0.985}, {"cost": 92.0, "accuracy": 0.995}]
            results["costs"]["tokens"].update(router=curve, omniscient=curve[:1])
        if number == 3:
            luck = {"repeats": 3, "ogc": 0.8, "ogc_low": 0.7, "ogc_high": 0.9, "tokens": 72.0}
            luck |= {"ceiling": 0.98, "ceiling_low": 0.97, "ceiling_high": 0.99, "oracle": 0.99}
            luck |= {"ceiling_ogc": 0.91, "ogc_oracle": 0.3, "cross_fitted": 0.97}
            luck |= {"accuracy": 0.97, "hull": 0.89, "trainings": 5}
            results["attainable"] = {"72": luck}
        files.append(place / f"{number}.json")
        files[-1].write_text(json.dumps(results))
    return files


def read_rows(text):
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in rows]


def test_readme_and_docs_are_what_the_command_makes_of_the_stored_results(tmp_path):
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copy(ROOT / "docs" / "results.md", tmp_path)
    assert call(tmp_path, *STUDY).exit_code == 0
    for name, stored in (("README.md", "README.md"), ("results.md", "docs/results.md")):
        again = (tmp_path / name).read_text("utf-8")
        assert again == (ROOT / stored).read_text("utf-8"), f"write it again: {COMMAND}"


def test_the_last_draw_is_the_headline_and_the_others_stand_below(place, study):
    ran = call(place, *reversed(study))
    assert ran.exit_code == 0, ran.output
    text = (place / "README.md").read_text()
    assert text.startswith("Before.\n<!-- results: written by python") and "old" not in text
    assert text.endswith("<!-- end of results -->\nAfter.\n")
    rows = read_rows(text)[2:]
    assert len(rows) == 8
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["gap closed at 72 tokens"][::2] == ["0.30", "1"]
    assert by_name[OF_CEILING] == [
        "0.80",
        "0.70 to 0.90",
        "1",
    ]
    assert by_name["gap closed at 72 tokens, scenes-v2"][::2] == ["0.20", "2"]
    # Where routing does not pay no share of a gap is a headline.
    assert by_name["gap closed at 72 tokens, scenes-v1"] == ["routing does not pay", "", "3"]
    value, *_ = by_name["tokens to parity (loss bounded below 0.5 points on calibration)"]
    assert value.endswith(" %), -0.4 points (-0.6 to +0.1) on test")
    assert all(row[2] for row in rows[:-1])
    for number, draw in ((1, 3), (2, 2), (3, 1)):
        assert re.search(f"(?m)^{number}: scenes-v{draw}, .*`m3scale demo --draw {draw}`, 0", text)


def test_all_draws_stand_side_by_side(place, study):
    assert call(place, *study).exit_code == 0
    text = (place / "results.md").read_text()
    section = text.partition("## The draws side by side")[2].partition("\n## ")[0]
    rows = {row[0]: row[1:] for row in read_rows(section)}
    assert rows[""] == ["scenes-v1", "scenes-v2", "scenes-v3"]
    assert [cell[:4] for cell in rows["gap closed"]] == ["rout", "0.20", "0.30"]
    assert rows["noise ceiling"] == ["–", "–", "0.91"]
    assert rows["tokens to parity"][0] == "not established"
    assert rows["tokens to parity read off the test curve, router / limit"][:2] == [
        "– / –",
        "64 / –",
    ]
    assert rows["tokens, certified net:0.01,0.05"] == [
        "101 (loss 0.4 %)",
        "102 (loss 0.4 %; worst family 9.8 %, counting)",
        "103 (loss 0.4 %; worst family 9.8 %, counting)",
    ]
    assert "All but the table of draws is of scenes-v3." in text


def test_what_cannot_stand_in_one_table_is_refused_and_nothing_is_written(place, study):
    before = (place / "README.md").read_text()
    assert "two results are of scenes-v2: give one of each draw" in refuse(place, *[study[1]] * 2)
    results = json.loads(study[0].read_text())
    results["meta"]["draw"] = None
    study[0].write_text(json.dumps(results))
    assert "only draws of scenes are compared" in refuse(place, *study)
    assert "no results in" in refuse(place, place / "gone.json")
    del results["meta"]["draw"], results["router"]["at"]
    study[2].write_text(json.dumps(results))
    assert "cannot be drawn (KeyError: 'at')" in refuse(place, study[2])
    assert (place / "README.md").read_text() == before and not (place / "results.md").exists()
    (place / "README.md").write_text("No table.\n")
    assert "must have a line that begins with '<!-- results: " in refuse(place, study[1])
    (place / "results.md").write_text("mine")
    assert "results.md" in refuse(place, study[1])
    assert (place / "results.md").read_text() == "mine"
