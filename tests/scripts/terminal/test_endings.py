"""How a command ends that is interrupted, or that nobody listens to; in real processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

WAITING = """
import sys, time
from pathlib import Path
import click
import scripts.compact
from scripts.cli import main
from scripts.terminal.errors import OneLineCommand
from m3_backbone.files import replacing

@click.command(cls=OneLineCommand)
@click.argument("out", type=Path)
def wait(out):
    with replacing(out) as fresh:
        fresh.write_text("half")
        print("writing", flush=True)
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            {then}

scripts.compact.main = wait
main(["compact", sys.argv[1]])
"""


def mind_signals():
    # These tests may run in the background of a shell, whose children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop(tmp_path, number, then="raise"):
    """Signal a command while it writes; give its exit code, stderr and what it left."""
    command = [sys.executable, "-c", WAITING.format(then=then), str(tmp_path / "out")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=mind_signals) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    return process.returncode, error, os.listdir(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("then", ["raise", "raise ImportError('half a module')"])
def test_a_signal_ends_a_command_in_one_line_with_nothing_left(tmp_path, number, code, then):
    returncode, error, left = stop(tmp_path, number, then)
    assert (returncode, left) == (code, [])
    assert error.startswith("interrupted; ")
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_labelling_is_interrupted_in_one_line(tmp_path, number, code):
    command = [sys.executable, "-m", "scripts.cli", "label", "--quiet", "--source", "scenes:test"]
    process = subprocess.Popen(
        [*command, "--limit", "400", "--out", tmp_path / "run"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=mind_signals,
    )
    while not list(tmp_path.glob("run/parts/part-*")):
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error.count("\n")) == (code, 1)
    assert not list(tmp_path.rglob("*.writing"))


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_a_closed_pipe_is_quiet(arguments):
    reading, writing = os.pipe()
    os.close(reading)  # as if head had read enough
    command = [sys.executable, "-m", "scripts.cli", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_signal_that_the_parent_ignores_stays_ignored(tmp_path):
    code = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from scripts.terminal.errors import stopped_by_signals\n"
        "with stopped_by_signals(): os.kill(os.getpid(), signal.SIGINT); print('on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "on\n"


def test_libraries_do_not_lengthen_a_refusal(tmp_path):
    code = (
        "import logging, warnings, scripts.verify, click\n"
        "from scripts.cli import main\n"
        "from scripts.terminal.errors import OneLineCommand\n"
        "@click.command(cls=OneLineCommand)\n"
        "def noisy():\n"
        "    from tqdm import tqdm\n"
        "    warnings.warn('a glyph is missing'); logging.getLogger('PIL').warning('odd')\n"
        "    list(tqdm([1, 2])); raise ValueError('no')\n"
        "scripts.verify.main = noisy\n"
        "main(['verify'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: no\n")
