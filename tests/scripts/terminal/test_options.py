"""Options made from the fields of a dataclass, and parts of a run that need not be named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from scripts.terminal.option_types import AtLeast, Whole
from scripts.terminal.options import (
    option_of,
    part_option,
    run_option,
    seeds_option,
    settings_options,
)


@dataclass(frozen=True)
class Base:
    size: int = field(default=3, metadata={"help": "How large.", "min": 1})
    hidden: int = 7


@dataclass(frozen=True)
class Settings(Base):
    name: str = field(default="", metadata={"help": "What it is called."})
    share: float | None = field(default=None, metadata={"help": "How much."})
    kind: str = field(default="a", metadata={"help": "Which.", "choices": ("a", "b")})
    folder: Path | None = field(default=None, metadata={"help": "Where."})
    scales: tuple[int, ...] = field(default=(), metadata={"option": "--scale", "help": "Some."})
    columns: Mapping[str, str] = field(
        default_factory=dict, metadata={"option": "--column", "metavar": "A=B", "help": "Names."}
    )
    bf16: bool = field(default=False, metadata={"option": "--bf16/--fp32", "help": "Precision."})
    quiet: bool = field(default=False, metadata={"help": "No bars."})


@click.command()
@settings_options(Settings, "settings")
@click.option("--out", default="o")
def command(settings, out):
    """Show what came."""
    click.echo(f"{settings!r} {out}")


def test_fields_become_options_and_come_back_as_the_dataclass(runner):
    given = ["--name", "n", "--size", "2", "--share", "0.5", "--kind", "b", "--folder", "f"]
    given += ["--scale", "9", "--scale", "1", "--column", "x=1", "--column", "y=2", "--bf16"]
    result = runner.invoke(command, [*given, "--quiet", "--out", "p"])
    expected = Settings(
        name="n",
        size=2,
        share=0.5,
        kind="b",
        folder=Path("f"),
        scales=(9, 1),
        columns={"x": "1", "y": "2"},
        bf16=True,
        quiet=True,
    )
    assert result.output == f"{expected!r} p\n"


def test_what_is_left_out_has_the_default_of_its_field(runner):
    assert runner.invoke(command, ["--name", "n"]).output == f"{Settings(name='n')!r} o\n"


def test_help_says_defaults_and_legal_values_and_own_fields_come_first(runner):
    text = " ".join(runner.invoke(command, ["--help"]).output.split())
    assert "--name TEXT What it is called. --share" in text
    assert "--kind [a|b] Which. [default: a]" in text
    assert "--size INTEGER RANGE How large. [default: 3; x>=1]" in text
    assert "--column A=B Names." in text
    assert "--bf16 / --fp32 Precision. [default: fp32]" in text
    assert "--quiet No bars. --size" in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "n", "--size", "0"], "0 is not in the range x>=1"),
        (["--name", "n", "--kind", "c"], "'c' is not one of 'a', 'b'"),
        (["--name", "n", "--column", "x"], "expected FIELD=NAME, got 'x'"),
    ],
)
def test_bad_values_are_refused(runner, arguments, message):
    result = runner.invoke(command, arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_one_field_alone_is_an_option_too(runner):
    @click.command()
    @option_of(Settings, "kind")
    def small(kind):
        click.echo(kind)

    assert runner.invoke(small, ["--kind", "b"]).output == "b\n"
    assert runner.invoke(small, []).output == "a\n"


@click.command()
@run_option
@part_option("--out", Path("b"), "Needed.")
@part_option("--held", Path("c"), "May be left out.", needed=False)
@part_option("--extra", Path("d"), "Need not be in a run.", needed=False, if_there=True)
def parts(out, held, extra):
    click.echo(f"{out} {held} {extra}")


def test_a_part_that_is_given_wins_over_the_run(runner):
    assert runner.invoke(parts, ["--out", "a", "--run", "run"]).output == "a run/c None\n"
    assert runner.invoke(parts, ["--out", "a"]).output == "a None None\n"
    assert runner.invoke(parts, ["--out", "a", "--extra", "x"]).output == "a None x\n"


def test_parts_are_found_in_the_run(runner, tmp_path):
    (tmp_path / "d").touch()
    actual = f"{tmp_path}/b {tmp_path}/c {tmp_path}/d\n"
    assert runner.invoke(parts, ["--run", str(tmp_path)]).output == actual


def test_a_needed_part_is_asked_for(runner):
    assert "give --out FOLDER, or --run FOLDER" in runner.invoke(parts, []).output


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-inf", "1e309"])
def test_numbers_that_are_none_are_refused(text):
    with pytest.raises(click.BadParameter, match="finite number|not in the range"):
        AtLeast(0).convert(text, None, None)


@pytest.mark.parametrize("text", ["9" * 400, "10000001", "-1", "1.5"])
def test_counts_have_an_end(text):
    with pytest.raises(
        click.BadParameter, match="is no whole number|not in the range|not a valid"
    ) as error:
        Whole(0).convert(text, None, None)
    assert len(str(error.value.message)) < 100


def test_no_command_trains_for_hours_by_a_slip(runner):
    @click.command()
    @seeds_option(3)
    def command(seeds):
        click.echo(seeds)

    assert runner.invoke(command, ["--seeds", "100"]).output == "100\n"
    refused = runner.invoke(command, ["--seeds", "1_000"])
    assert refused.exit_code == 2
    assert "1_000 is no whole number up to 100" in refused.output


def test_numbers_and_counts_are_read():
    assert AtLeast(0).convert("0.5", None, None) == 0.5
    assert Whole(1, 2**32 - 1).convert("20261126", None, None) == 20261126
