"""Against numbers that the official M3 code gave: pixels, features, logits, losses, gradients, ids.

Another variant is added by its name in VARIANTS; where its visual tokens are merged from several
crops, `visual_tokens` is the one place that has to know how.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from m3_backbone.barred import bar_tokens
from m3_backbone.decoding import decode_greedily
from m3_backbone.host import list_outputs
from m3_backbone.official import open_image_processor, open_official_model
from m3_backbone.official_config import read_config
from m3_backbone.official_weights import to_official_name
from m3_backbone.pooling import pool_tokens
from m3_backbone.prefill import prefill_packed, prefill_padded
from m3_backbone.vision import encode_pixels

VARIANTS = ["llava15"]
WITH_CROPS = [*VARIANTS, "next_spatial", "next_unpad"]
SCALES = (576, 144, 36, 9, 1)
IMAGE = -200


def read_golden(folder):
    return SimpleNamespace(
        folder=folder,
        model=open_official_model(folder),
        inputs=dict(np.load(folder / "inputs.npz")),
        outputs=dict(np.load(folder / "outputs.npz")),
        rows=read_config(folder)["vocab_size"],
        encoded={},
    )


@pytest.fixture(scope="module", params=VARIANTS)
def golden(request, find_golden):
    return read_golden(find_golden(request.param))


@pytest.fixture(scope="module", params=WITH_CROPS)
def crops(request, find_golden):
    """Of these only what comes before merging is compared."""
    return read_golden(find_golden(request.param))


def golden_pixels(golden, i):
    """Pixel values of every crop of an image [n, 3, H, W]."""
    found = golden.inputs.get(f"pixel_values_{i}")
    return torch.tensor(golden.inputs["pixel_values"][[i]] if found is None else found)


def project(golden, i):
    """Projected tokens of every crop [n, 576, D]; the official tower gets no gradient."""
    if i not in golden.encoded:
        with torch.no_grad():
            golden.encoded[i] = encode_pixels(golden.model, golden_pixels(golden, i))
    return golden.model.model.multi_modal_projector(golden.encoded[i])


def visual_tokens(golden, i, scale):
    """What stands in the image's place [n, D]."""
    return pool_tokens(project(golden, i), scale)[0]


def expand(golden, ids, count):
    place = list(ids).index(IMAGE)
    image_id = golden.model.config.image_token_id
    return [*ids[:place], *[image_id] * count, *ids[place + 1 :]]


def close(found, expected, tolerance):
    expected = torch.as_tensor(expected)
    assert found.shape == expected.shape
    assert float((found.detach() - expected).abs().max()) <= tolerance


def row_ids(golden, i):
    return golden.inputs["input_ids"][i][golden.inputs["attention_mask"][i]].tolist()


def read_row(golden, i, scale):
    """Logits over the official vocabulary of one unpadded training row [L, V]."""
    tokens = visual_tokens(golden, i, scale)
    ids = torch.tensor([expand(golden, row_ids(golden, i), len(tokens))])
    logits = golden.model(input_ids=ids, **list_outputs(ids, [tokens])).logits
    return bar_tokens(golden.model, logits)[0]


def scale_loss(golden, scale):
    rows, places, labels = (
        golden.outputs[f"answer_{name}_{scale}"] for name in ("row", "pos", "label")
    )
    read = [read_row(golden, i, scale) for i in (0, 1)]
    logits = torch.stack([read[row][place] for row, place in zip(rows, places, strict=True)])
    return F.cross_entropy(logits, torch.tensor(labels)), logits, [row[-1] for row in read]


def test_pixels_are_equal(crops):
    processor = open_image_processor(crops.folder, read_config(crops.folder))
    for i in (0, 1):
        image = Image.fromarray(crops.inputs[f"image_{i}"])
        found = processor(images=[image], return_tensors="pt")["pixel_values"]
        expected = golden_pixels(crops, i)
        assert torch.equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("scale", SCALES)
def test_features_of_every_crop(crops, scale):
    for i in (0, 1):
        found = pool_tokens(project(crops, i), scale)
        close(found, crops.outputs[f"feat_{scale}_{i}"], 3e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_counts(golden, scale):
    for i in (0, 1):
        count = len(visual_tokens(golden, i, scale))
        assert count == golden.outputs[f"n_visual_{scale}"][i]
        prompt = golden.inputs[f"prompt_ids_{i}"]
        assert len(expand(golden, prompt, count)) == golden.outputs[f"prompt_len_{scale}"][i]
        row = expand(golden, row_ids(golden, i), count)
        assert len(row) == golden.outputs[f"seq_len_{scale}"][i]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("packed", [False, True])
def test_prompts_and_greedy_ids(golden, scale, packed):
    model = golden.model
    for i in (0, 1):
        with torch.no_grad():
            tokens = visual_tokens(golden, i, scale)
            ids = expand(golden, golden.inputs[f"prompt_ids_{i}"].tolist(), len(tokens))
            end = len(ids) - ids[::-1].index(model.config.image_token_id)
            if packed:
                state = prefill_packed(model, ids[:end], [tokens], [[ids[end:]] * 2], 0)
            else:
                state = prefill_padded(model, [ids], [tokens], 0)
            for logits in state.logits[0, :, : golden.rows]:
                close(logits, golden.outputs[f"prompt_logits_{scale}"][i], 3e-5)
            found = decode_greedily(model, state, (), 8).token_ids[0]
        for answer in found.tolist():
            assert answer == golden.outputs[f"gen_{scale}"][i].tolist()


@pytest.mark.parametrize("scale", SCALES)
def test_transformers_generates_the_same_ids(golden, scale):
    for i in (0, 1):
        with torch.no_grad():
            tokens = visual_tokens(golden, i, scale)
            ids = expand(golden, golden.inputs[f"prompt_ids_{i}"].tolist(), len(tokens))
            found = golden.model.generate(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                **list_outputs(ids, [tokens]),
                max_new_tokens=8,
                do_sample=False,
                eos_token_id=[],
                pad_token_id=0,
            )
        assert found[0, len(ids) :].tolist() == golden.outputs[f"gen_{scale}"][i].tolist()


@pytest.mark.parametrize("scale", SCALES)
def test_training_rows(golden, scale):
    with torch.no_grad():
        loss, logits, last = scale_loss(golden, scale)
    close(logits[:, : golden.rows], golden.outputs[f"answer_logits_{scale}"], 3e-5)
    for i in (0, 1):
        close(last[i][: golden.rows], golden.outputs[f"last_logits_{scale}"][i], 3e-5)
    close(loss, golden.outputs[f"loss_{scale}"], 1e-5)


def test_mean_loss_and_its_gradient(golden):
    model = golden.model
    model.zero_grad()
    loss = torch.stack([scale_loss(golden, scale)[0] for scale in SCALES]).mean()
    close(loss, golden.outputs["loss_mean"], 1e-5)
    torch.autograd.backward(loss)
    wanted = {
        name.removeprefix("grad."): value
        for name, value in golden.outputs.items()
        if name.startswith("grad.")
    }
    for stock, parameter in model.named_parameters():
        expected = wanted.pop(to_official_name(stock), None)
        if expected is not None:
            close(parameter.grad[: len(expected)], expected, 2e-6)
    assert not wanted
    # The added row gets none: it is not part of the official vocabulary.
    assert not model.lm_head.weight.grad[golden.rows :].any()
    model.zero_grad()
