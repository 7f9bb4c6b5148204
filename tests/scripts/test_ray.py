"""`m3scale label` in several processes, which are killed: by Ray, and by shares of one run."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labels.outcomes.parts import list_parts
from labels.scenes.benchmark import ask_questions, render_scene

pytestmark = [pytest.mark.ray, pytest.mark.slow]

IMAGES = 1024  # thirty-two parts, so that each kill hits one at work
LONG = 6144  # images that two workers do not finish before the last kill
KILLS = 10
EVERY = 20.0  # seconds

logger = logging.getLogger(__name__)


def write_source(folder, images):
    """Write a question about each image, in files: no restart is to draw them again."""
    lines = []
    for index in range(images):
        # Three of the scenes have nothing to be asked about.
        for question in ask_questions("test", index, 1):
            render_scene("test", index).save(folder / f"{index}.png")
            fields = {name: getattr(question, name) for name in ("sample_id", "question", "metric")}
            lists = {"answers": list(question.answers), "choices": list(question.choices)}
            lines.append(json.dumps({"image": f"{index}.png", **fields, **lists}))
    path = folder / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"), IMAGES)


def start(source, folder, *options):
    label = ("label", "--source", str(source), "--out", str(folder), "--quiet")
    scales = ("--scale", "1", "--scale", "9")
    # One thread everywhere: the last bits of a sum depend on how it is split.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "scripts.cli", *label, *scales, *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)


def label_alone(source, folder):
    """Run one process that nothing disturbs."""
    began = time.monotonic()
    assert start(source, folder).wait() == 0
    logger.info(f"one process: {time.monotonic() - began:.0f} s")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, source):
    return label_alone(source, tmp_path_factory.mktemp("whole") / "run")


def list_actors():
    """List the processes that are called as Ray calls the actors of a run."""
    commands = {path.parent.name: path for path in Path("/proc").glob("[0-9]*/cmdline")}
    found = []
    for pid, path in commands.items():
        try:
            named = path.read_bytes().startswith(b"ray::_Labeller")
        except OSError:
            continue  # it has ended
        found += [int(pid)] if named else []
    return found


def wait_for(condition, driver):
    while not condition():
        assert driver.poll() is None
        time.sleep(0.05)


def test_two_workers(source, whole, tmp_path, check_same):
    folder, began = tmp_path / "run", time.monotonic()
    driver = start(source, folder, "--workers", "2")
    wait_for(lambda: list_parts(folder), driver)
    first = time.monotonic() - began
    assert driver.wait() == 0
    logger.info(
        f"two workers: {time.monotonic() - began:.0f} s, the first part after {first:.0f} s"
    )
    check_same(whole, folder)
    assert not list_actors()


def test_a_worker_killed_again_and_again_changes_nothing(tmp_path, check_same):
    source = write_source(tmp_path, LONG)
    whole = label_alone(source, tmp_path / "whole")
    folder, draw, kills = tmp_path / "run", random.Random(0), 0
    driver = start(source, folder, "--workers", "2")
    wait_for(lambda: list_parts(folder), driver)
    while kills < KILLS and driver.poll() is None:
        if actors := list_actors():
            os.kill(draw.choice(actors), signal.SIGKILL)
            kills += 1
            logger.info(f"kill {kills}: {len(list_parts(folder))} parts are there")
        time.sleep(EVERY)
    assert driver.wait() == 0
    assert kills == KILLS
    check_same(whole, folder)


def test_a_driver_killed_three_times_changes_nothing(source, whole, tmp_path, check_same):
    folder = tmp_path / "run"
    for least in (3, 9, 18):
        driver = start(source, folder, "--workers", "2")
        wait_for(lambda least=least: len(list_parts(folder)) >= least, driver)
        driver.kill()
        driver.wait()
        logger.info(f"driver killed: {len(list_parts(folder))} parts are there")
    assert start(source, folder, "--workers", "2").wait() == 0
    check_same(whole, folder)


def test_two_shares_change_nothing(source, whole, tmp_path, check_same):
    folder = tmp_path / "run"
    shares = [start(source, folder, "--shard", f"{rank}/2") for rank in (0, 1)]
    wait_for(lambda: len(list_parts(folder)) > 4, shares[1])
    shares[1].kill()
    shares[1].wait()
    assert start(source, folder, "--shard", "1/2").wait() == 0
    assert shares[0].wait() == 0
    check_same(whole, folder)
