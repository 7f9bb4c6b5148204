"""Compiled layers compute what they computed before."""

import os
import subprocess
import sys

import pytest
import torch

from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.training.compilation import compile_layers
from m3_backbone.training.finetune import Batch, matryoshka_step
from m3_backbone.training.packing import pack_texts
from m3_backbone.training.settings import FinetuneSettings, LoopSettings

SCALES = (1, 9, 144)
ASKED = [[("what is the cat?", "red")], [("how many?", "big dog"), ("colour?", "big red")]]
SETTINGS = FinetuneSettings(1e-3, 1e-3, 1e-3)


def step_gradients(model, batch):
    model.zero_grad(set_to_none=True)
    losses = matryoshka_step(model, batch, SCALES, SETTINGS)
    return losses, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.slow
# While it compiles, torch warns of what it does itself.
@pytest.mark.filterwarnings("ignore::")
def test_a_step_has_the_same_gradient_and_the_weights_keep_their_names(build_model, tokenizer):
    model = build_model().train()
    prompts = PromptBuilder(tokenizer, 3)
    pixels = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    # Two lengths, so that the second is not what was compiled first.
    batches = [Batch(pixels[: len(some)], pack_texts(prompts, some)) for some in (ASKED, ASKED[:1])]
    expected = [step_gradients(model, batch) for batch in batches]
    names = list(model.state_dict())
    compile_layers(model, LoopSettings(compiled=True))
    assert list(model.state_dict()) == names
    for batch, (losses, gradients) in zip(batches, expected, strict=True):
        compiled_losses, compiled = step_gradients(model, batch)
        assert compiled_losses == pytest.approx(losses, abs=1e-5)
        torch.testing.assert_close(compiled, gradients, atol=1e-5, rtol=1e-3)  # names and values


def test_without_a_compiler_one_line_says_so(tmp_path):
    given = [
        *("finetune", "--model", "m3-mini", "--data", "scenes", "--steps", "1", "--batch", "1"),
        *("--compile", "--out", str(tmp_path / "out")),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.cli", *given],
        env={**os.environ, "CXX": str(tmp_path / "none")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "train without --compile" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
