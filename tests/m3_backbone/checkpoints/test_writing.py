import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE

from m3_backbone.checkpoints.writing import writing_weights


def test_a_full_disk_is_an_ordinary_error_whichever_library_writes():
    weights = {"w": torch.zeros(1000)}
    with pytest.raises(OSError, match="not all weights could be written"), writing_weights():
        torch.save(weights, "/dev/full")
    with pytest.raises(OSError, match="No space left on device"), writing_weights():
        raise SafetensorError("Error while serializing: I/O error: No space (os error 28) at x")
    with pytest.raises(OSError, match="Input/output error"), writing_weights():
        raise SafetensorError("of another kind")


def test_safetensors_still_names_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError), writing_weights():
        save_file({"w": torch.zeros(2)}, tmp_path / "nowhere" / "w.safetensors")


def test_a_tokenizer_that_cannot_be_written_is_an_ordinary_error(tmp_path):
    with pytest.raises(OSError, match="No space left on device"), writing_weights():
        Tokenizer(BPE()).save("/dev/full")
    with pytest.raises(KeyError), writing_weights():
        raise KeyError("no matter of the disk")
