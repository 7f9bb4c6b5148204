"""`m3scale label` under torchrun with the embedded model: a worker is killed, twenty times."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from labels.labelling.claims import list_claims
from labels.labelling.status import read_status
from labels.outcomes.parts import list_parts
from labels.outcomes.table import read_features, read_table
from labels.scenes.benchmark import ask_questions, render_scene

KILLS = 20
IMAGES = 35 * 32  # thirty-five parts: each kill lets one be done at most, and at times another
AGENT = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "--monitor-interval=0.2")


@pytest.fixture
def source(tmp_path):
    """One question about each image, in files: twenty restarts are not to draw them again."""
    lines = []
    for index in range(IMAGES):
        (question,) = ask_questions("test", index, 1)
        render_scene("test", index).save(tmp_path / f"{index}.png")
        fields = {name: getattr(question, name) for name in ("sample_id", "question", "metric")}
        lists = {"answers": list(question.answers), "choices": list(question.choices)}
        lines.append(json.dumps({"image": f"{index}.png", **fields, **lists}))
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def start(source, folder, *before):
    label = ("scripts.cli", "label", "--source", str(source), "--out", str(folder), "--quiet")
    command = [sys.executable, "-m", *before, *label, "--scale", "1", "--scale", "9"]
    # One thread everywhere: the last bits of a sum depend on how it is split.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)


def list_workers(agent):
    return set(map(int, Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()))


def wait_for_work(folder, agent, lost):
    """Wait for workers that are at a part; claims of those that were lost before stay a while."""
    while True:
        assert agent.poll() is None
        # A claim without a name is being written.
        names = [claim.worker for claim in list_claims(folder) if claim.worker != "?"]
        pids = {int(name.rpartition("-")[2]) for name in names}
        if at_work := pids & list_workers(agent) - lost:
            return sorted(at_work)
        time.sleep(0.02)


def kill_one(folder, agent, moment, seconds, lost):
    """Kill a worker while it is at a part; torchrun then starts both anew."""
    wait_for_work(folder, agent, lost)
    parts, end = list_parts(folder), time.monotonic() + moment.uniform(0, 1.5) * seconds
    while time.monotonic() < end and list_parts(folder) == parts:
        time.sleep(0.02)
    victim = moment.choice(wait_for_work(folder, agent, lost))
    lost |= list_workers(agent)
    os.kill(victim, signal.SIGKILL)


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path, source):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(source, whole).wait() == 0
    (worker,) = read_status(whole)["workers"]
    agent = start(source, killed, *AGENT, f"--max-restarts={KILLS}", "-m")
    moment, lost = random.Random(0), set()
    try:
        for _ in range(KILLS):
            kill_one(killed, agent, moment, worker["seconds"] / worker["parts"], lost)
        assert len(list_parts(killed)) < worker["parts"]  # the last one hit it at work too
        assert agent.wait() == 0
    finally:
        agent.terminate()

    expected, actual = (read_table(folder).drop(columns="wall_ms") for folder in (whole, killed))
    assert actual.equals(expected)
    samples = sorted(set(expected["sample_id"]))
    for one, other in zip(
        read_features(whole, samples), read_features(killed, samples), strict=True
    ):
        assert np.array_equal(one, other)
    assert not list(killed.rglob("*.tmp"))
    assert not list_claims(killed)
