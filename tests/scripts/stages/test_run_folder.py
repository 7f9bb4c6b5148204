from pathlib import Path

import click
import pytest

from scripts.stages.run_folder import RunFolder
from scripts.terminal.options import choose_folder


def test_run_folder_is_the_documented_layout():
    run = RunFolder(Path("r"))
    assert run.outcomes("test") == Path("r/outcomes/test")
    assert (run.router, run.report) == (Path("r/router"), Path("r/report"))


def test_choose_folder_prefers_what_was_given():
    assert choose_folder("--out", Path("a"), Path("run"), Path("b")) == Path("a")
    assert choose_folder("--out", None, Path("run"), Path("b")) == Path("run/b")


def test_choose_folder_needs_one():
    with pytest.raises(click.UsageError, match="give --out FOLDER, or --run FOLDER"):
        choose_folder("--out", None, None, Path("b"))
