from pathlib import Path

from scripts.stages.run_folder import PARTS, RunFolder


def test_run_folder_is_the_documented_layout():
    run = RunFolder(Path("r"))
    assert run.outcomes("test") == Path("r/outcomes/test")
    assert (run.router, run.report) == (Path("r/router"), Path("r/report"))


def test_parts_lie_in_the_folder_of_any_run():
    assert RunFolder(Path("r")).profile == Path("r") / PARTS.profile
