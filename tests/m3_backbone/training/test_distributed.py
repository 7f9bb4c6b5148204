"""Processes that torchrun starts: they share the batches out and agree on the gradient."""

import json
import os
import subprocess
import sys

import pytest
import torch

from m3_backbone.training.distributed import (
    average_gradients,
    group_rank,
    group_size,
    joined_group,
    prefetch_batches,
)

PROGRAM = """
import json, sys
from pathlib import Path
import torch
from m3_backbone.training.distributed import average_gradients, group_rank, group_size, joined_group
from m3_backbone.training.distributed import prefetch_batches
with joined_group("cpu"):
    weight, bias = torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(3))
    unused = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.full((2, 2), 1.0 + group_rank())
    bias.grad = torch.arange(3.0) * group_rank()
    single = torch.nn.Parameter(torch.zeros(2))
    if group_rank() == 1:
        single.grad = torch.tensor([2.0, 4.0])
    average_gradients([weight, bias, unused, single])
    seen = list(prefetch_batches(lambda number: number, 1, 4, 0))
    facts = [group_size(), seen, weight.grad.tolist(), bias.grad.tolist()]
    facts += [single.grad.tolist(), unused.grad is None]
    Path(sys.argv[1], f"{group_rank()}.json").write_text(json.dumps(facts))
"""


def test_alone_nothing_changes():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    with joined_group("cpu"):
        average_gradients([parameter])
        assert (group_rank(), group_size()) == (0, 1)
    assert parameter.grad.tolist() == [1.0, 1.0]
    assert list(prefetch_batches(lambda number: number, 2, 5, 0)) == [2, 3, 4]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_where_there_is_none_is_one_line_under_torchrun_too(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="device 'cuda:1' cannot be used here: ") as caught:
        with joined_group("cuda"):
            pass
    assert "\n" not in str(caught.value)


LAUNCHER = """
import os, time
from m3_backbone.training.distributed import end_with_parent
worker = os.fork()
if worker == 0:
    end_with_parent()
    print("ready", flush=True)
    time.sleep(90)
os.waitpid(worker, 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process of its parent")
def test_a_worker_ends_with_the_process_that_started_it():
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout.readline() == "ready\n"
    launcher.kill()
    # The pipe ends when the last process that can write to it has ended.
    assert launcher.communicate(timeout=60) == ("", None)


def test_two_processes_share_batches_and_average_gradients(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [*command, str(program), str(tmp_path)], env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    expected = ([2, 4, 6], [3, 5, 7])
    for rank, batches in enumerate(expected):
        facts = json.loads((tmp_path / f"{rank}.json").read_text())
        assert facts == [2, batches, [[1.5, 1.5], [1.5, 1.5]], [0.0, 0.5, 1.0], [1.0, 2.0], True]
