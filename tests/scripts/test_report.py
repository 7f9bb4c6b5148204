"""`m3scale report --markdown` draws from a results.json and from nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.report import main

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with nothing but the results of a study, as the current one."""
    (tmp_path / "docs").mkdir()
    shutil.copy(DOCS / "study" / "scenes-v2.json", tmp_path / "docs" / "study.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_names_the_command_that_writes_it(clone):
    ran = CliRunner().invoke(main, ["--markdown", "docs/study.json", "docs/results.md"])
    assert ran.exit_code == 0 and ran.output.split() == ["Markdown", "docs/results.md"]
    text = (clone / "docs" / "results.md").read_text("utf-8")
    assert "`m3scale report --markdown docs/study.json docs/results.md`" in text[:500]
    assert "](figures/" not in text


def test_it_wins_over_other_options_and_needs_no_run(clone):
    ran = CliRunner().invoke(main, ["--run", "nowhere", "--markdown", "docs/study.json", "a.md"])
    assert ran.exit_code == 0 and (clone / "a.md").is_file()
    assert sorted(path.name for path in clone.iterdir()) == ["a.md", "docs"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no results in"), ("[]", "input should be an object"), ("{}", "'headline' is missing")],
)
def test_what_holds_no_results_is_refused_in_one_line(clone, content, message):
    if content is not None:
        (clone / "old.json").write_text(json.dumps(json.loads(content)))
    ran = CliRunner().invoke(main, ["--markdown", "old.json", "a.md"])
    assert ran.exit_code == 2 and message in ran.output and len(ran.output.splitlines()) == 1
    assert not (clone / "a.md").exists()
