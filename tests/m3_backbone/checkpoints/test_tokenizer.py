"""Tokenizers that only fail when they are used, in a process whose stderr is seen whole."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from m3_backbone.checkpoints.tokenizer import try_tokenizer

ROOT = Path(__file__).parents[3]


def test_a_panic_of_the_library_prints_nothing_beside_the_one_line(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    fields = json.loads((folder / "tokenizer.json").read_text())
    fields["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}],
        "pair": [],
        "special_tokens": {},
    }
    (folder / "tokenizer.json").write_text(json.dumps(fields))
    code = (
        "from transformers import AutoTokenizer\n"
        "from m3_backbone.checkpoints.tokenizer import try_tokenizer\n"
        f"folder = {str(folder)!r}\n"
        "try:\n"
        "    try_tokenizer(folder, lambda: AutoTokenizer.from_pretrained(folder))\n"
        "except ValueError as error:\n"
        "    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "RUST_BACKTRACE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Panic" in done.stdout and len(done.stdout.splitlines()) == 1
    assert (done.returncode, done.stderr) == (0, "")


def test_what_fails_as_it_joins_tokens_is_refused(tmp_path):
    class Halved:
        def __call__(self, text):
            return {"input_ids": [1]}

        def decode(self, ids):
            raise IndexError(ids)

    with pytest.raises(ValueError, match="lacks a tokenizer that can be opened: IndexError"):
        try_tokenizer(tmp_path, Halved)
