"""A checkpoint that m3scale wrote opens in vLLM without the plug-in, and answers alike at 576."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from m3_backbone.checkpoints.conversion import save_stock

pytestmark = pytest.mark.vllm


def test_stock_vllm_answers_alike(mini, tmp_path):
    own = mini.backbone
    save_stock(own.model, own.tokenizer, own.image_processor, tmp_path / "stock")
    keys = [key for key in mini.answers if key[2] == 576][:50]
    prompts = [own.prompt(mini.texts[image][place]) for image, place, _ in keys]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    for place, (image, _, _) in enumerate(keys):
        mini.images[image].save(tmp_path / f"{place}.png")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("stock.py"), tmp_path / "stock", tmp_path],
        env={**os.environ, "VLLM_PLUGINS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert [tuple(ids) for ids in answers] == [mini.answers[key].token_ids for key in keys]
