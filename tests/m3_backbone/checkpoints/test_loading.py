import shutil

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from m3_backbone.checkpoints import loading
from m3_backbone.checkpoints.loading import find_folder, open_checkpoint
from m3_backbone.checkpoints.source import CheckpointSource
from m3_backbone.hosts.config import language_shape

PROJECTOR = "model.multi_modal_projector.linear_1.weight"


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_stock_checkpoint_opens(tiny_folder):
    opened = open_checkpoint(str(tiny_folder), "cpu", "bfloat16")
    assert type(opened.model).__name__ == "LlavaForConditionalGeneration"
    assert opened.model.dtype == torch.bfloat16
    assert not opened.model.training
    assert isinstance(opened.image_processor, CLIPImageProcessorPil)
    assert opened.tokenizer.convert_tokens_to_ids("<image>") == opened.model.config.image_token_id
    assert opened.folder == tiny_folder


def test_without_layers_only_what_lies_before_them_is_read(tiny_folder, folder):
    opened = open_checkpoint(CheckpointSource(folder, layers=False), "cpu", "float32")
    whole = open_checkpoint(tiny_folder, "cpu", "float32").model
    language = opened.model.model.language_model
    assert len(language.layers) == 0
    assert torch.equal(language.embed_tokens.weight, whole.model.language_model.embed_tokens.weight)
    assert language_shape(opened.model.config) == language_shape(whole.config)
    change_weights(folder, lambda weights: weights.pop(sorted(weights)[0]))
    with pytest.raises(ValueError, match="1 missing weights, such as"):
        open_checkpoint(CheckpointSource(folder, layers=False), "cpu", "float32")


def test_the_embedded_name_is_resolved(tiny_folder, monkeypatch):
    monkeypatch.setattr(loading, "embedded_path", lambda: tiny_folder)
    assert find_folder("m3-mini") == tiny_folder


def test_a_hub_name_is_fetched(tiny_folder, monkeypatch):
    asked = []

    def fetch(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(tiny_folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert find_folder("somebody/some-model") == tiny_folder
    [(name, patterns)] = asked
    assert name == "somebody/some-model"
    assert "*.safetensors" in patterns
    assert "*.md" not in patterns


def test_a_hub_name_that_cannot_be_fetched_is_reported(monkeypatch):
    def fetch(name, allow_patterns):
        raise OSError("many\nlines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(FileNotFoundError, match="no folder some/model, and no model of that name"):
        find_folder("some/model")


@pytest.mark.parametrize("name", ["no/such/folder", "./nothing", "/no/such", "nothing", "../a"])
def test_a_missing_folder_is_named(name):
    with pytest.raises(FileNotFoundError, match=f"no checkpoint folder at {name}"):
        find_folder(name)


def test_a_folder_without_config_is_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no checkpoint: it has no config\.json"):
        open_checkpoint(tmp_path, "cpu", "float32")


@pytest.mark.parametrize("text", ['{"model_type": "llama"}', "{}", '{"model_type": []}'])
def test_other_models_are_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(
        ValueError, match="holds a model of type .*, expected one of 'llava', 'llava_next',"
    ):
        open_checkpoint(folder, "cpu", "float32")


def test_a_broken_config_is_refused(folder):
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        open_checkpoint(folder, "cpu", "float32")


def test_missing_weights_are_refused(folder):
    change_weights(folder, lambda weights: weights.pop(sorted(weights)[0]))
    with pytest.raises(ValueError, match="not a whole checkpoint: 1 missing weights"):
        open_checkpoint(folder, "cpu", "float32")


def test_unexpected_weights_are_refused(folder):
    change_weights(folder, lambda weights: weights.update(extra=torch.zeros(1)))
    with pytest.raises(ValueError, match="1 unexpected weights, such as extra"):
        open_checkpoint(folder, "cpu", "float32")


def test_weights_of_another_shape_are_refused(folder):
    change_weights(folder, lambda weights: weights.update({PROJECTOR: torch.zeros(5, 5)}))
    with pytest.raises(ValueError, match=f"1 mismatched weights, such as {PROJECTOR}"):
        open_checkpoint(folder, "cpu", "float32")


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="holds no weights that can be read"):
        open_checkpoint(folder, "cpu", "float32")


def test_truncated_weights_are_refused(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:5000])
    with pytest.raises(ValueError, match="the weights in .* are damaged or cut short"):
        open_checkpoint(folder, "cpu", "float32")


@pytest.mark.parametrize("name", ["tokenizer.json", "processor_config.json"])
def test_missing_processors_are_refused(folder, name):
    for file in folder.glob(name.replace(".json", "*")):
        file.unlink()
    with pytest.raises(ValueError, match="lacks an? (tokenizer|image processor) that can"):
        open_checkpoint(folder, "cpu", "float32")


def test_an_unknown_dtype_names_the_known(tiny_folder):
    with pytest.raises(ValueError, match="unknown dtype 'int8': choose one of float32, bfloat16"):
        open_checkpoint(tiny_folder, "cpu", "int8")


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named(tiny_folder, device):
    with pytest.raises(ValueError, match=f"device '{device}' cannot be used here"):
        open_checkpoint(tiny_folder, device, "float32")
