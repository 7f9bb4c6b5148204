"""What the Makefile would run is what the commands take."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.benchmarks.card.ladders import POOLINGS
from scripts.benchmarks.ladder import main as ladder
from scripts.finetune import main as finetune

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def list_calls(target, *settings):
    """Lists what a target would run of ours: name of a module, and its arguments."""
    # As if what make installs were there.
    command = ["make", "-n", target, "STAMP=", *settings]
    # The make that may run the tests tells its own options to those below it.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    ran = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    calls = []
    for line in map(shlex.split, ran.stdout.replace("\\\n", " ").splitlines()):
        while "-m" in line:
            module, *line = line[line.index("-m") + 1 :]
            last = next((place for place, word in enumerate(line) if word[-1:] == ";"), len(line))
            arguments = [word.rstrip(";") for word in line[: last + 1]]
            calls.append((module, [word for word in arguments if word not in ("", "}")]))
            line = line[last + 1 :]
    return calls


def read(command, arguments):
    """Read arguments as a command does; they raise where it does not know them."""
    return command.make_context("a command", list(arguments)).params


@pytest.mark.parametrize("tenth", ["", "1"])
def test_mini_has_six_stages_each_from_the_one_before(tenth):
    calls = list_calls("mini", f"TENTH={tenth}", "PROCESSES=2")
    stages = [read(finetune, args[1:]) for module, args in calls if module == "scripts.cli"]
    ladders = [
        read(ladder, args) for module, args in calls if module == "scripts.benchmarks.ladder"
    ]
    folder = Path("runs/mini-tenth" if tenth else "runs/mini")
    names = ("tower", "whole", "hard", "counts", "last", "talk")
    assert [stage["out"] for stage in stages] == [folder / name for name in names]
    steps = [4000, 5000, 5000, 10000, 7000, 9000]
    assert [stage["steps"] for stage in stages] == [n // 10 if tenth else n for n in steps]
    assert [stage["batch"] for stage in stages] == [3, 4, 4, 6, 4, 4]
    assert stages[0]["from_scratch"]
    assert [stage["dense"] for stage in stages] == [True, False, False, True, False, False]
    assert [stage["model_name"] for stage in stages[1:]] == [str(s["out"]) for s in stages[:-1]]
    assert "chart=4," in stages[2]["emphasis"] and not stages[1]["emphasis"]
    assert [stage["casual"] for stage in stages] == [0, 0, 0, 0, 6, 14]
    assert [one["model"] for one in ladders] == [str(stages[k]["out"]) for k in (1, 2, 4, 5)]
    assert {one["sources"] for one in ladders} == {("scenes-v3:validation",)}


def test_a_step_has_the_same_images_in_any_number_of_processes():
    calls = list_calls("mini", "PROCESSES=1", "MINI_ARGS=--device cuda --bf16")
    stages = [read(finetune, args[1:]) for module, args in calls if module == "scripts.cli"]
    assert [stage["batch"] for stage in stages] == [6, 8, 8, 12, 8, 8]
    assert all(stage["device"] == "cuda" and stage["bf16"] for stage in stages)


def test_processes_that_cannot_share_a_step_evenly_are_refused():
    with pytest.raises(subprocess.CalledProcessError) as refused:
        list_calls("mini", "PROCESSES=3")
    assert "PROCESSES is '3': expected a divisor of 2 * WIDER" in refused.value.stderr


def test_a_gpu_takes_larger_steps_and_fewer_at_higher_rates():
    calls = list_calls("mini", "PROCESSES=1", "WORKERS=15", "WIDER=8", "FEWER=2", "RATES=2")
    stages = [read(finetune, args[1:]) for module, args in calls if module == "scripts.cli"]
    assert [stage["batch"] for stage in stages] == [48, 64, 64, 96, 64, 64]
    assert [stage["steps"] for stage in stages] == [2000, 2500, 2500, 5000, 3500, 4500]
    assert [stage["tower_rate"] for stage in stages] == [2e-3, 1.2e-3, 8e-4, 2e-3, 8e-4, 6e-4]
    answering = [stage for stage in stages if not stage["dense"]]
    assert [stage["language_rate"] for stage in answering] == [2.8e-3, 2e-3, 2e-3, 1.6e-3]
    assert {stage["workers"] for stage in stages} == {15}


def test_card_measures_every_ladder_that_the_card_is_made_of():
    calls = list_calls("card", "BEFORE=HEAD")
    asked = [read(ladder, args) for module, args in calls if module == "scripts.benchmarks.ladder"]
    found = {one["json_file"].stem: one["pooling"] for one in asked}
    assert found == POOLINGS
    # The known ground comes first in all of them.
    assert {one["sources"][0] for one in asked} == {"scenes-v3:test"}
    assert calls[-1] == ("scripts.benchmarks.card", [])
