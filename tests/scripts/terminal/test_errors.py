import click
import pytest

from scripts.terminal.errors import OneLineCommand


def make_command(error):
    @click.command(cls=OneLineCommand)
    @click.option("--size", type=int)
    def main(size):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("expected 3,\n  got 4"), "Error: expected 3, got 4\n"),
        (FileNotFoundError(2, "No such file", "x.png"), "Error: [Errno 2] No such file: 'x.png'\n"),
        (OSError(), "Error: OSError\n"),
        (EOFError(), "Error: a file ends too early\n"),
        (click.UsageError("only one of both"), "Error: only one of both\n"),
    ],
)
def test_bad_input_is_one_line(runner, error, line):
    result = runner.invoke(make_command(error), [])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", line)


def test_bad_option_is_one_line(runner):
    result = runner.invoke(make_command(ValueError()), ["--size", "big"])
    assert result.exit_code == 2
    assert result.stderr == "Error: Invalid value for '--size': 'big' is not a valid integer.\n"


def test_a_defect_keeps_its_traceback(runner):
    result = runner.invoke(make_command(KeyError("lost")), [])
    assert isinstance(result.exception, KeyError)


def test_exit_stays_exit(runner):
    result = runner.invoke(make_command(click.exceptions.Exit(3)), [])
    assert result.exit_code == 3
