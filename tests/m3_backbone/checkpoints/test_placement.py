from types import SimpleNamespace

import pytest
import torch

from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints import placement
from m3_backbone.checkpoints.placement import Placement, name_numbers
from m3_backbone.inference.sampling import Sampling
from scripts.cli import main


@pytest.fixture
def pretend(monkeypatch):
    """Pretend that there are, or are not, a GPU and packages."""

    def change(gpu, packages):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        monkeypatch.setattr(placement, "find_spec", lambda name: name in packages or None)

    return change


@pytest.mark.parametrize("device_map", ["cpu", "auto", {"": "cpu"}], ids=str)
def test_a_device_map_gives_the_same_answers(tiny_folder, backbone, images, device_map):
    pytest.importorskip("accelerate")
    mapped = M3Backbone.from_pretrained(tiny_folder, device_map=device_map)
    assert mapped.fingerprint == backbone.fingerprint
    asked = [["red ?", "what is the colour ?"]]
    actual = mapped.answer_images(mapped.encode(images[:1]), asked, 9, sampling=Sampling(3))
    expected = backbone.answer_images(backbone.encode(images[:1]), asked, 9, sampling=Sampling(3))
    assert [a.token_ids for a in actual[0]] == [a.token_ids for a in expected[0]]


def ask(runner, folder, image, *options):
    known = ("ask", "--image", image, "--model", folder, "--scale", 9, "--max-new-tokens", 2)
    return runner.invoke(main, [str(argument) for argument in (*known, *options, "red ?")])


def test_ask_spreads_a_model(runner, tiny_folder, images, tmp_path):
    pytest.importorskip("accelerate")
    images[0].save(tmp_path / "x.png")
    alone = ask(runner, tiny_folder, tmp_path / "x.png")
    spread = ask(runner, tiny_folder, tmp_path / "x.png", "--device-map", "auto")
    assert (spread.exit_code, spread.stdout) == (0, alone.stdout)


@pytest.mark.parametrize("options", [("--quantize", "4bit"), ("--device-map", "nowhere")])
def test_ask_tells_in_one_line_what_is_needed(runner, tiny_folder, images, tmp_path, options):
    images[0].save(tmp_path / "x.png")
    result = ask(runner, tiny_folder, tmp_path / "x.png", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


def test_a_device_alone_needs_no_options():
    assert Placement("cpu", "float32").load_options == {}


@pytest.mark.parametrize(
    ("quantize", "field"), [("8bit", "load_in_8bit"), ("4bit", "load_in_4bit")]
)
def test_few_bits_go_to_the_device_or_where_the_map_says(pretend, quantize, field):
    pretend(gpu=True, packages=("accelerate", "bitsandbytes"))
    options = Placement("cpu", "bfloat16", "auto", quantize).load_options
    assert options["device_map"] == "auto"
    assert getattr(options["quantization_config"], field)
    assert options["quantization_config"].bnb_4bit_compute_dtype == torch.bfloat16


def test_few_bits_need_a_gpu_and_packages(pretend):
    pretend(gpu=False, packages=("accelerate",))
    with pytest.raises(ValueError, match="needs a CUDA GPU.*no GPU, and bitsandbytes is missing"):
        Placement("cpu", "float32", None, "4bit")


def test_few_bits_do_not_go_to_the_processor(pretend):
    pretend(gpu=True, packages=("accelerate", "bitsandbytes"))
    with pytest.raises(ValueError, match="choose device cuda or a device_map, got device 'cpu'"):
        Placement("cpu", "float32", None, "8bit")


def test_a_map_needs_accelerate(pretend):
    pretend(gpu=True, packages=())
    with pytest.raises(ValueError, match="a device_map needs the package accelerate"):
        Placement("cpu", "float32", "auto")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (("cpu", "int8"), "unknown dtype 'int8': choose one of float32, bfloat16"),
        (("gpu", "float32"), "device 'gpu' cannot be used here"),
        (("cpu", "float32", "everywhere"), "device 'everywhere' cannot be used here"),
        (("cpu", "float32", None, "2bit"), "unknown quantization '2bit': choose one of 8bit, 4bit"),
    ],
)
def test_what_cannot_be_is_told(chosen, message):
    with pytest.raises(ValueError, match=message):
        Placement(*chosen)


def test_quantized_weights_are_named_by_their_bits(backbone):
    assert name_numbers(backbone.model) == "float32"
    assert name_numbers(SimpleNamespace(is_loaded_in_4bit=True)) == "4bit"


def test_the_official_format_is_not_spread(official_folder):
    with pytest.raises(ValueError, match="takes no device_map .*m3scale convert"):
        M3Backbone.from_pretrained(official_folder, device_map="cpu")
