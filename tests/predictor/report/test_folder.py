"""What in a report's folder is the report's, and what is a user's."""

import json
import shutil

import pytest

from predictor.report.folder import TITLE, list_own_files, read_results
from predictor.report.report import write_report

PNG = b"\x89PNG\r\n\x1a\n made up"


def test_what_a_user_put_beside_a_report_stays_and_old_pictures_go(results, tmp_path):
    site = tmp_path / "site"
    write_report(results, site, {"s1": PNG})
    mine = {"NOTES.txt": "n", "figures/mine.png": "p", "gallery/deep/x": "g", "more/x": "x"}
    for name, content in mine.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(content)
    (site / "figures" / "zoo.png").write_bytes(b"of an older report")
    write_report({**results, "gallery": []}, site, {})
    assert {name: (site / name).read_text() for name in mine} == mine
    assert not (site / "gallery" / "s1.png").exists()
    assert not (site / "figures" / "zoo.png").exists()
    assert (site / "figures" / "accuracy.png").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("name", ["index.html", "report.md", "results.json", "figures/gap.png"])
@pytest.mark.parametrize("content", ["<title>mine</title>", '{"headline": {}}', ""])
def test_a_page_of_a_user_is_in_the_way(results, tmp_path, name, content):
    site = tmp_path / "site"
    (site / name).parent.mkdir(parents=True)
    (site / name).write_text(content)
    with pytest.raises(ValueError, match="is not of a report of m3scale"):
        write_report(results, site, {})
    assert [path.read_text() for path in site.rglob("*") if path.is_file()] == [content]


def test_an_older_report_is_known(results, tmp_path):
    site = tmp_path / "site"
    for name in ("figures", "gallery"):
        (site / name).mkdir(parents=True)
    (site / "index.html").write_text(f"<html><title>{TITLE}</title>")
    (site / "report.md").write_text(f"# {TITLE}\n")
    (site / "results.json").write_text(json.dumps(results))
    own = {"index.html", "report.md", "results.json", "figures", "gallery"}
    assert list_own_files(site) == own
    shutil.rmtree(site / "gallery")
    assert list_own_files(site) == own - {"gallery"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scales": [0]}, "scales.0"),
        ({"scales": "1"}, "scales"),
        ({"headline": []}, "headline"),
        ({"headline": {"target": [1]}}, "headline.target"),
        ({"families": {"a": 3}}, "families.a"),
        ({"seeds": [0.5]}, "seeds.0"),
        ({"meta": None}, "meta"),
        ({"gallery": [3]}, "gallery.0"),
    ],
)
def test_a_damaged_section_is_named(results, tmp_path, change, field):
    (tmp_path / "results.json").write_text(json.dumps({**results, **change}))
    with pytest.raises(ValueError, match=f"results.json cannot be used: '{field}") as caught:
        read_results(tmp_path)
    assert "\n" not in str(caught.value)
