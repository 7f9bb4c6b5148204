import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoTokenizer

from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.processes import worker_name
from scripts.finetuning.start import RECORD, is_finished, stop_at_end

MINI = Path(__file__).parents[3] / "models" / "m3-mini"


def test_what_a_kill_left_beside_a_finished_folder_is_swept_by_the_next_run(tmp_path):
    out = tmp_path / "tuned"
    out.mkdir()
    (out / RECORD).write_text("what was trained")
    # This process has it not open, so it is of an older one with the same number.
    stage = tmp_path / f".m3scale-{worker_name()}-12345678.writing"
    stage.mkdir()
    (stage / "note.json").touch()
    assert is_finished(out, "what was trained")
    assert os.listdir(tmp_path) == ["tuned"]


@pytest.mark.parametrize("ends", [None, 2, [2, 9]])
def test_answers_stop_at_the_end_that_the_template_writes(ends):
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    image = tokenizer.convert_tokens_to_ids("<image>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + ' : ' }}{% for part in m['content'] %}"
        "{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}"
        "{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}assistant : {% endif %}"
    )
    settings = SimpleNamespace(eos_token_id=ends)
    model = SimpleNamespace(generation_config=settings)
    stop_at_end(model, PromptBuilder(tokenizer, image))
    new = tokenizer.convert_tokens_to_ids("<|im_end|>")
    usual = tokenizer.eos_token_id if ends is None else ends
    assert settings.eos_token_id == [*(usual if isinstance(usual, list) else [usual]), new]
    before = list(settings.eos_token_id)
    stop_at_end(model, PromptBuilder(tokenizer, image))
    assert settings.eos_token_id == before
