"""`m3scale label` under torchrun with the embedded model: a worker is killed, twenty times."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from labels.outcomes import read_features, read_table
from labels.parts import list_parts
from labels.shards import list_claims
from labels.status import read_status

KILLS = 20
IMAGES = 1920  # sixty parts: each kill lets one or two be done, or three
LABEL = ("scripts.cli", "label", "--source", "scenes:test", "--limit", str(IMAGES))
OPTIONS = ("--scale", "1", "--scale", "9", "--quiet")
AGENT = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "--monitor-interval=0.2")


def start(folder, *before):
    command = [sys.executable, "-m", *before, *LABEL, *OPTIONS, "--out", str(folder)]
    # One thread everywhere: the last bits of a sum depend on how it is split.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)


def kill_one(folder, agent, moment):
    """Wait for another part and for two that are at work, then kill one a moment later."""
    before = len(list_parts(folder))
    while len(list_parts(folder)) == before or len(list_claims(folder)) < 2:
        assert agent.poll() is None
        time.sleep(0.02)
    seconds = [
        worker["seconds"] / worker["parts"]
        for worker in read_status(folder)["workers"]
        if worker["parts"]
    ]
    time.sleep(moment.uniform(0, 0.5) * min(seconds))
    pids = [int(claim.worker.rpartition("-")[2]) for claim in list_claims(folder)]
    os.kill(moment.choice([pid for pid in pids if is_running(pid)]), signal.SIGKILL)


def is_running(pid):
    return os.path.exists(f"/proc/{pid}")


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait() == 0
    agent = start(killed, *AGENT, f"--max-restarts={KILLS}", "-m")
    moment = random.Random(0)
    for _ in range(KILLS):
        kill_one(killed, agent, moment)
    assert len(list_parts(killed)) < len(list_parts(whole))  # the last one hit it at work too
    assert agent.wait() == 0

    expected, found = (read_table(folder).drop(columns="wall_ms") for folder in (whole, killed))
    assert found.equals(expected)
    samples = sorted(set(expected["sample_id"]))
    for one, other in zip(
        read_features(whole, samples), read_features(killed, samples), strict=True
    ):
        assert np.array_equal(one, other)
    assert not list(killed.rglob("*.tmp"))
    assert not list_claims(killed)
