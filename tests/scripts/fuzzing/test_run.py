"""Bad input in small: what the harness tells apart, and twenty seconds of it with fixed seeds."""

from collections import Counter
from pathlib import Path

import click
import pytest

from scripts.fuzzing.calls import Call
from scripts.fuzzing.harness import find_lost, run_call
from scripts.fuzzing.run import Plan, Result, fuzz
from scripts.fuzzing.world import World, copy_tree, read_tree


@pytest.fixture
def world(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes.txt").write_text("mine")
    (home / "link").symlink_to("notes.txt")
    copy_tree(home, tmp_path / "spare")
    return World(home, tmp_path / "spare")


@pytest.fixture
def command(monkeypatch):
    """A function that puts another command in the place of `oracle`."""

    def replace(work):
        main = click.Command("oracle", callback=work)
        monkeypatch.setattr("scripts.oracle.main", main)

    return replace


def fail():
    raise RuntimeError("a defect")


def refuse():
    raise click.UsageError("no")


def test_a_traceback_is_told_from_a_refusal(world, command):
    command(fail)
    outcome = run_call(Call(("oracle",)), world, own_process=False)
    assert (outcome.verdict, outcome.detail) == ("traceback", "RuntimeError: a defect")
    command(refuse)
    assert run_call(Call(("oracle",)), world, own_process=False).verdict != "traceback"


def test_a_lost_file_is_seen_and_put_back(world, command):
    command(lambda: (world.home / "notes.txt").unlink())
    outcome = run_call(Call(("oracle",)), world, own_process=False)
    assert outcome.verdict == "lost files"
    assert "notes.txt" in outcome.detail
    assert read_tree(world.home) == read_tree(world.spare)


def test_what_is_too_slow_hangs(world, command, monkeypatch):
    def sleep():
        while True:
            pass

    monkeypatch.setattr("scripts.fuzzing.harness.PATIENCE", 0.2)
    command(sleep)
    assert run_call(Call(("oracle",)), world, own_process=False).verdict == "hang"


def test_only_what_was_accepted_may_write_and_only_there():
    before, after = {"a": ("1", "x"), "out": ("1", "x")}, {"a": ("1", "x"), "out": ("1", "y")}
    call = Call(("label",), out=("out",))
    assert find_lost(before, after, call, "accepted") == []
    assert find_lost(before, after, call, "refused") == ["out"]
    assert find_lost(before, {**before, ".x.writing": ("1", "")}, call, "refused") == [".x.writing"]


def test_what_two_processes_found_is_added_up():
    whole = Result({"a": Counter(refused=2)}, [], {1, 2}, Counter(a=0.5))
    whole.add(Result({"a": Counter(refused=1, hang=1)}, [{"seed": 7}], {2, 3}, Counter(a=1.0)))
    assert whole.counts == {"a": {"refused": 3, "hang": 1}}
    assert (whole.faults, whole.seen) == ([{"seed": 7}], {1, 2, 3})
    assert whole.seconds == {"a": 1.5}


def test_bad_input_ends_in_clean_refusals(tmp_path):
    result = fuzz(tmp_path, Plan(20.0, 150, seed=0, own_process=0.0))
    assert result.faults == []
    assert len(result.seen) > 20
    assert sum(count["refused"] for count in result.counts.values()) > 10


@pytest.mark.parametrize("text", ["\ud800", "\udfff", "a\x00b", "wh\udcffat", "🦜"])
def test_any_text_can_be_given_to_a_process(world, text):
    outcome = run_call(Call(("no-such-command", text)), world, own_process=True)
    assert (outcome.verdict, outcome.detail) == (
        "refused",
        "Error: No such command 'no-such-command'.",
    )


def test_the_python_interface_may_refuse_and_nothing_else(world):
    def raising(error):
        def work(home):
            raise error

        return Call(("work",), work=work)

    assert run_call(raising(ValueError("no")), world, own_process=True).verdict == "refused"
    assert run_call(raising(TypeError("no")), world, own_process=True).verdict == "traceback"
    assert run_call(Call((), work=Path.exists), world, own_process=True).verdict == "accepted"


def test_only_what_differs_is_put_back(world):
    (world.home / "new" / "deep").mkdir(parents=True)
    (world.home / "notes.txt").unlink()
    (world.home / "link").unlink()
    (world.home / "link").mkdir()
    world.restore(read_tree(world.home))
    assert read_tree(world.home) == read_tree(world.spare)
