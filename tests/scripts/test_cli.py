import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from scripts.cli import COMMANDS, main, module_of


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from scripts.cli import main; main(['--help'], standalone_mode=False); "
        "sys.exit(bool({'torch', 'numpy', 'scripts.label'} & set(sys.modules)))"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = os.times()
    # Processor time, because a busy machine says nothing about the command.
    seconds = sum(after[2:4]) - sum(before[2:4])
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)
    assert seconds < 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(runner, command):
    result = runner.invoke(main, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert f"m3scale {command}" in result.output
    assert "None" not in result.output  # a bound that an option does not have


@pytest.mark.parametrize("command", COMMANDS)
def test_command_help_is_light(command):
    code = f"import sys, {module_of(command)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "No such option '--bogus'"),
        (["nothing"], "No such command 'nothing'"),
        (["label"], "give --source, or --status DIR"),
        (["ask", "--image", "x.png"], "Missing argument 'QUESTION...'"),
    ],
)
def test_bad_usage_is_one_line(runner, arguments, message):
    result = runner.invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_command_shows_help(runner):
    result = runner.invoke(main, [])
    assert result.exit_code == 2
    assert "Commands:" in result.output


def test_version(runner):
    assert runner.invoke(main, ["--version"]).output.startswith("m3scale, version 0.")


def test_letters_that_stdout_lacks_are_shown_as_escapes(tmp_path):
    table = tmp_path / "table.csv"
    rows = [f"s{sample},{scale},a,1,i{sample},\u4e2d" for sample in (1, 2) for scale in (1, 9)]
    header = "sample_id,scale,answer,score,image_id,group"
    table.write_text("\n".join([header, *rows]), encoding="utf-8")
    out = str(tmp_path / "labels")
    latin = CliRunner(charset="iso-8859-1")
    assert latin.invoke(main, ["import", "--table", str(table), "--out", out]).exit_code == 0
    result = latin.invoke(main, ["oracle", "--outcomes", out, "--by", "group"])
    assert result.exit_code == 0
    assert "/\\u4e2d" in result.stdout
