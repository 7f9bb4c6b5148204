"""Two trainings into one folder: the second is refused, and a kill frees the folder."""

import os
import signal
import subprocess
import sys

import pytest

from scripts.finetuning.alone import writing_alone

HOLD = """
import sys, time
from pathlib import Path
from scripts.finetuning.alone import writing_alone
with writing_alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_nothing_is_left_behind(tmp_path):
    for _ in range(2):
        with writing_alone(tmp_path / "out"):
            assert os.listdir(tmp_path) == ["out.unfinished"]
        assert os.listdir(tmp_path) == []


def test_what_a_run_has_written_stays(tmp_path):
    with writing_alone(tmp_path / "out"):
        (tmp_path / "out.unfinished" / "unfinished.pt").write_text("so far")
    assert os.listdir(tmp_path / "out.unfinished") == ["unfinished.pt"]


def test_a_second_training_is_refused_until_the_first_is_killed(tmp_path):
    out = tmp_path / "out"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=rf"-{holder.pid} trains into .*out at this moment: "):
            with writing_alone(out):
                pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with writing_alone(out):
        pass
    assert os.listdir(tmp_path) == []


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("years")
    (tmp_path / "out.unfinished").mkdir()
    (tmp_path / "out.unfinished" / "unfinished.lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError), writing_alone(tmp_path / "out"):
        pass
    assert (tmp_path / "mine").read_text() == "years"
