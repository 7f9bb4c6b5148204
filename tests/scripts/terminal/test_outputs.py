import json

import click
import pytest

from scripts.terminal.errors import OneLineCommand
from scripts.terminal.outputs import OutputFile, OutputFolder, is_table


def make_command(ran):
    @click.command(cls=OneLineCommand)
    @click.option("--image", multiple=True)
    @click.option("--out", type=OutputFolder())
    @click.option("--json", type=OutputFile(is_table))
    def main(image, out, json):
        ran.append(json)

    return main


@pytest.mark.parametrize(
    ("content", "replaced"),
    [
        (None, True),
        ("", True),
        ('{"certified": [], "proven_again": false, "more": 1}', True),
        ('[{"question": "q", "answer": "a", "scale": 1}]', True),
        ('{"meta": {"command": "m3scale report", "hardware": "one"}}', True),
        ('{"meta": {"code_version": "1"}, "kind": "linear"}', False),
        ("[]", False),
        ("[1]", False),
        ('{"name": "app"}', False),
        ("a note", False),
        ("[" * 100_000, False),
    ],
)
def test_only_what_a_command_wrote_is_replaced(runner, tmp_path, content, replaced):
    path, ran = tmp_path / "t.json", []
    if content is not None:
        path.write_text(content)
    result = runner.invoke(make_command(ran), ["--json", str(path)])
    assert (result.exit_code, bool(ran)) == ((0, True) if replaced else (2, False))
    assert content is None or path.read_text() == content
    assert result.stderr.count("\n") == (0 if replaced else 1)


def test_an_input_is_no_output_by_whatever_name(runner, tmp_path):
    table, ran = tmp_path / "t.json", []
    table.write_text(json.dumps({"certified": 0, "proven_again": 0}))
    (tmp_path / "link").symlink_to(table)
    main = make_command(ran)
    for one, other in ((table, tmp_path / "link"), (tmp_path / "link", tmp_path / "." / "t.json")):
        result = runner.invoke(main, ["--image", "x" * 5000, "--image", str(one), "--json", other])
        assert (result.exit_code, ran) == (2, [])
        assert "is an input" in result.stderr
    assert runner.invoke(main, ["--out", str(tmp_path), "--json", str(table)]).exit_code == 0
