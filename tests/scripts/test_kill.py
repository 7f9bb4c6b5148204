"""`m3scale label` with the embedded model, killed with SIGKILL at random moments and resumed."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest

from labels.outcomes import read_features, read_table

KILLS = 10
IMAGES = 48
LABEL = ("label", "--source", "scenes:test", "--limit", str(IMAGES), "--batch", "2", "--quiet")


def start(folder):
    command = [sys.executable, "-m", "scripts.cli", *LABEL, "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def count_parts(folder):
    return len(list(folder.glob("parts/*.parquet")))


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait() == 0
    moment = random.Random(0)
    for _ in range(KILLS):
        before, process = count_parts(killed), start(killed)
        while process.poll() is None and count_parts(killed) == before:
            time.sleep(0.002)
        time.sleep(moment.uniform(0.0, 0.4))
        assert process.poll() is None, process.stderr.read().decode()
        process.kill()
        process.wait()
    assert count_parts(killed) < count_parts(whole)
    assert start(killed).wait() == 0

    expected, found = read_table(whole), read_table(killed)
    timed = ["wall_ms"]
    assert found.drop(columns=timed).equals(expected.drop(columns=timed))
    samples = sorted(set(expected["sample_id"]))
    for one, other in zip(
        read_features(whole, samples), read_features(killed, samples), strict=True
    ):
        assert np.array_equal(one, other)
