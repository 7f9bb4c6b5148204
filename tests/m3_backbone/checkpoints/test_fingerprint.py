import re
import shutil

import pytest
import torch

from m3_backbone.checkpoints.fingerprint import fingerprint_folder, fingerprint_model


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llava"}')
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)) * 9000)  # more than one block
    (tmp_path / "README.md").write_text("about")
    return tmp_path


def test_it_is_16_hex_digits_and_moves_with_the_folder(folder, tmp_path_factory):
    mark = fingerprint_folder(folder)
    assert re.fullmatch(r"[0-9a-f]{16}", mark)
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("other") / "copy")
    assert fingerprint_folder(copy) == mark


def test_documentation_does_not_count(folder):
    mark = fingerprint_folder(folder)
    (folder / "README.md").write_text("more about it")
    assert fingerprint_folder(folder) == mark


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "chat_template.jinja"])
def test_every_weight_and_setting_counts(folder, name):
    mark = fingerprint_folder(folder)
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert fingerprint_folder(folder) != mark


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_in_memory_is_known_by_its_weights(dtype):
    model = torch.nn.Linear(3, 2).to(dtype)
    mark = fingerprint_model(model)
    assert fingerprint_model(model) == mark
    with torch.no_grad():
        model.bias[0] += 1
    assert fingerprint_model(model) != mark
