import json

import click
import pytest

from scripts.terminal.errors import OneLineCommand
from scripts.terminal.outputs import OutputFile, OutputFolder, is_table, write_table


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
        ('[{"question": "q", "answer": "a", "scale": 1, "visual_tokens": 1}]', True),
        ('[{"question": "q", "answer": "a", "scale": 1, "image": "0.png"}]', False),
        ('{"settings": {"theme": "dark"}, "columns": ["x"]}', False),
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


@pytest.mark.parametrize(
    ("table", "folder"), [("new", "new"), ("a", "a/b/c"), ("a/../new", "new"), ("link", "new")]
)
def test_a_file_is_not_asked_for_where_a_folder_will_be(runner, tmp_path, table, folder):
    ran = []
    (tmp_path / "link").symlink_to("new")
    options = ["--json", str(tmp_path / table), "--out", str(tmp_path / folder)]
    result = runner.invoke(make_command(ran), options)
    assert (result.exit_code, ran) == (2, [])
    assert "is written as a folder" in result.stderr
    options[1] = f"{options[3]}/t"
    assert runner.invoke(make_command(ran), options).exit_code == 0


def test_a_table_replaces_no_file_that_the_command_has_made(tmp_path):
    write_table(tmp_path / "t.json", {"certified": 0, "proven_again": 0})
    write_table(tmp_path / "t.json", {"certified": 1, "proven_again": 0})
    config = tmp_path / "config.json"
    config.write_text('{"format_version": 1}')
    with pytest.raises(ValueError, match="nothing that m3scale wrote"):
        write_table(config, {"certified": 0, "proven_again": 0})
    assert config.read_text() == '{"format_version": 1}'
