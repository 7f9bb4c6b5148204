"""The tables of the embedded model's card are what the command makes of the stored ladders."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from m3_backbone.checkpoints.fingerprint import fingerprint_folder
from scripts.benchmarks.card.__main__ import COMMAND, main

ROOT = Path(__file__).resolve().parents[3]
STORED = ROOT / "docs" / "card"
KNOWN, FONTS, ALIGNED = "scenes-v3:test", "scenes-v3:fonts", "scenes-v3:aligned"
META = {"command": "python -m ladder", "code_version": "1", "hardware": "a machine"}


def call(folder):
    arguments = ["--ladders", folder / "ladders", "--card", folder / "model" / "README.md"]
    return CliRunner().invoke(main, list(map(str, arguments)))


def make_ladder(weights, pooling, shares):
    """A ladder at scales 1 and 576: source -> share at 576; at 1 it is half of that."""
    sources = {
        source: {
            family: {"questions": 40, "1": round(share / 2, 4), "576": share}
            for family in ("all", "chart")
        }
        for source, share in shares.items()
    }
    ends = {family: {"1": [0.1, 0.2], "576": [0.7, 0.9]} for family in ("all", "chart")}
    return {
        **sources,
        "least": {source: {"1": 0.25, "576": 0.5, "none": 0.25} for source in shares},
        "intervals": dict.fromkeys(shares, ends),
        "model": {"weights": weights, "pooling": pooling},
        "meta": META,
    }


@pytest.fixture
def place(tmp_path):
    """A model with a card, and its ladders."""
    model, ladders = tmp_path / "model", tmp_path / "ladders"
    model.mkdir()
    ladders.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "README.md").write_text(
        "Mine.\n<!-- figures: written by hand -->\nold\n<!-- end of figures -->\nMine too.\n"
    )
    weights = fingerprint_folder(model)
    shares = {KNOWN: 0.8, FONTS: 0.6, ALIGNED: 0.82, "scenes-v2:test": 0.9}
    stored = {
        "average": make_ladder(weights, "average", shares),
        "sequential": make_ladder(weights, "sequential", {KNOWN: 0.5}),
        "spatial": make_ladder(weights, "spatial", {KNOWN: 0.7}),
        "before": make_ladder("b" * 16, "average", {KNOWN: 0.4, FONTS: 0.1}),
    }
    for name, content in stored.items():
        (ladders / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def edit(place, name, **changes):
    path = place / "ladders" / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refuse(place):
    card = place / "model" / "README.md"
    before = card.read_text()
    ran = call(place)
    assert ran.exit_code == 2 and len(ran.output.splitlines()) == 1, ran.output
    assert card.read_text() == before
    return ran.output


def read_rows(place, heading):
    """The rows of the table under a heading, by their first cell."""
    text = (place / "model" / "README.md").read_text()
    lines = text.partition(f"### {heading}\n")[2].partition("\n### ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return {row[0].strip(" |"): row[1:] for row in rows}


def test_what_stands_around_the_tables_stays(place):
    assert call(place).exit_code == 0
    text = (place / "model" / "README.md").read_text()
    assert text.startswith(f"Mine.\n<!-- figures: written by {COMMAND} -->\n\n")
    assert text.endswith("\n<!-- end of figures -->\nMine too.\n") and "old" not in text
    assert call(place).exit_code == 0
    assert (place / "model" / "README.md").read_text() == text


def test_families_and_what_is_unseen_stand_beside_the_weights_before(place):
    assert call(place).exit_code == 0
    families = read_rows(place, "By family and scale")
    assert families["family"] == ["questions", "1", "576", "95 % interval at 576"]
    for family in ("all", "chart"):
        assert families[family] == ["40", "0.400 (0.200)", "0.800 (0.400)", "0.700 to 0.900"]
    unseen = read_rows(place, "By what is unseen")
    assert unseen[KNOWN][2:] == ["0.800 (0.400)", "0.700 to 0.900", "1.000 (1.000)", "–"]
    # Of both shares the ends are sqrt(9 / 7) apart from the middle; of their ratio, that to the
    # power of sqrt(2).
    ratio = ["0.750 (0.250)", "0.628 to 0.896"]
    assert unseen[FONTS][2:] == ["0.600 (0.100)", "0.700 to 0.900", *ratio]
    # The weights before were not asked these.
    assert unseen["scenes-v2:test"] == [
        "another draw of the benchmark",
        *("40", "0.900", "0.700 to 0.900", "1.125", "0.942 to 1.344"),
    ]
    both = read_rows(place, "By family and what is unseen")
    assert both["family"] == [KNOWN, FONTS, ALIGNED, "scenes-v2:test"]
    assert both["all"] == both["chart"] == ["0.800", "0.600", "0.820", "0.900"]


def test_a_share_of_none_leaves_its_ratio_without_an_interval(place):
    nothing = {family: {"1": [0.1, 0.2], "576": [0.0, 0.1]} for family in ("all", "chart")}
    content = json.loads((place / "ladders" / "average.json").read_text())
    edit(place, "average", intervals={**content["intervals"], FONTS: nothing})
    assert call(place).exit_code == 0
    assert read_rows(place, "By what is unseen")[FONTS][-1] == "–"


def test_places_scales_and_poolings_have_tables(place):
    assert call(place).exit_code == 0
    places = read_rows(place, "By where things lie")
    assert places["on the raster"] == ["0.410", "0.820"]
    assert places["difference, points"] == ["-1.0", "-2.0"]
    least = read_rows(place, "The least sufficient scale")
    assert least["these weights"] == ["0.250", "0.500", "0.250"]
    pooled = read_rows(place, "Pooled otherwise")
    assert [cell[:5] for cell in pooled["576 tokens"]] == ["0.800", "0.500", "0.700"]
    assert pooled["1 token"][1] == "0.250 (0.100 to 0.200)"
    text = (place / "model" / "README.md").read_text()
    assert "- before: `python -m ladder`, weights bbbbbbbbbbbbbbbb, code 1, a machine" in text


def test_without_a_raster_there_is_no_table_of_it(place):
    content = json.loads((place / "ladders" / "average.json").read_text())
    del content[ALIGNED]
    (place / "ladders" / "average.json").write_text(json.dumps(content))
    assert call(place).exit_code == 0
    assert "By where things lie" not in (place / "model" / "README.md").read_text()


def test_ladders_of_other_weights_or_poolings_are_refused(place):
    weights = fingerprint_folder(place / "model")
    edit(place, "spatial", model={"weights": weights, "pooling": "average"})
    assert "spatial.json is of pooling 'average', not spatial" in refuse(place)
    edit(place, "spatial", model={"weights": "c" * 16, "pooling": "spatial"})
    assert f"is of weights {'c' * 16}, " in refuse(place)
    edit(place, "spatial", model={"weights": weights, "pooling": "spatial"})
    edit(place, "before", model={"weights": weights, "pooling": "average"})
    assert "before.json is of weights" in refuse(place)


def test_damaged_and_missing_ladders_are_refused(place):
    edit(place, "before", **{KNOWN: {"all": {"questions": 3, "1": 0.5}}})
    assert f"before.json has not all scales of {KNOWN}" in refuse(place)
    edit(place, "before", **{KNOWN: {"all": {"questions": 3, "1": "many"}}})
    assert "expected" in refuse(place) or "valid number" in refuse(place)
    edit(place, "before", least=None)
    assert "before.json cannot be used" in refuse(place)
    (place / "ladders" / "before.json").write_text("[]")
    assert "before.json cannot be used" in refuse(place)
    (place / "ladders" / "before.json").write_text(json.dumps({"meta": META}))
    assert "it has no source" in refuse(place)
    (place / "ladders" / "before.json").unlink()
    assert "before.json is missing: `make card BEFORE=COMMIT`" in refuse(place)
    (place / "model" / "README.md").write_text("No place.\n")
    assert "must have a line that begins with '<!-- figures: " in refuse(place)


def test_the_card_is_what_the_command_makes_of_the_stored_ladders(tmp_path):
    shutil.copytree(STORED, tmp_path / "ladders")
    shutil.copytree(ROOT / "models" / "m3-mini", tmp_path / "model")
    assert call(tmp_path).exit_code == 0
    again = (tmp_path / "model" / "README.md").read_text("utf-8")
    stored = (ROOT / "models" / "m3-mini" / "README.md").read_text("utf-8")
    assert again == stored, f"write it again: {COMMAND}"
