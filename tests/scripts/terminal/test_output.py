from pathlib import Path

import click

from scripts.terminal.output import name_folders, print_table


def test_print_table_aligns(runner):
    @click.command()
    def show():
        print_table(
            ("scale", "accuracy"), [(1, 0.5), (576, None), (9, float("nan")), ("x", 0.123456)]
        )

    lines = runner.invoke(show).output.splitlines()
    assert lines == [
        "scale  accuracy",
        "1           0.5",
        "576           -",
        "9             -",
        "x        0.1235",
    ]


def test_folders_are_named_by_what_tells_them_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [Path("a/x/test"), Path("b/x/test"), Path("b/y/test"), Path("all"), Path()]
    names = ["a/x/test", "b/x/test", "y/test", "all", tmp_path.name]
    assert name_folders(folders) == dict(zip(folders, names, strict=True))
    assert name_folders([Path("all"), Path("b/../all")]) == {Path("all"): "all"}
    ends = [Path("/test"), Path("/a/test"), Path("/")]
    assert list(name_folders(ends).values()) == ["/test", "a/test", "/"]
