"""`m3scale label` with the embedded model, killed with SIGKILL at random moments and resumed."""

import random
import subprocess
import sys
import time

import pytest

from labels.outcomes.parts import list_parts

KILLS = 10
IMAGES = 640
LABEL = ("label", "--source", "scenes:test", "--limit", str(IMAGES), "--quiet")


def start(folder):
    command = [sys.executable, "-m", "scripts.cli", *LABEL, "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path, check_same):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    assert start(whole).wait() == 0
    duration = time.monotonic() - began

    moment = random.Random(0)
    for _ in range(KILLS):
        process = start(killed)
        # Ten of them together are shorter than the whole run, so that each one hits it at work.
        time.sleep(moment.uniform(0, 2 / KILLS) * duration)
        assert process.poll() is None
        process.kill()
        process.wait()
    parts = [len(list_parts(folder)) for folder in (killed, whole)]
    assert 0 < parts[0] < parts[1]
    assert start(killed).wait() == 0
    check_same(whole, killed)
