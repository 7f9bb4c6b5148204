"""Against numbers that the official M3 code gave: pixels, features, logits, losses, gradients, ids.

The folders and their arrays are described in tests/golden/README.md. The copy in the repository
leaves out some of the arrays at some scales; what is there is compared.
"""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from m3_backbone.checkpoints.official.config import read_config
from m3_backbone.checkpoints.official.opening import open_image_processor, open_official_model
from m3_backbone.checkpoints.official.weights import to_official_name
from m3_backbone.hosts.host import find_host, list_outputs
from m3_backbone.hosts.suppressed import suppress_tokens
from m3_backbone.inference.decoding import decode
from m3_backbone.inference.encoding import encode_images
from m3_backbone.inference.prefill import prefill_packed, prefill_padded
from m3_backbone.inference.prompts import IGNORED
from m3_backbone.inference.pyramids import build_pyramids
from m3_backbone.pooling import pool_tokens
from m3_backbone.training.finetune import Batch, matryoshka_step
from m3_backbone.training.packing import PackedText
from m3_backbone.training.settings import FinetuneSettings

VARIANTS = ["llava15", "next_spatial", "next_unpad"]
SCALES = (576, 144, 36, 9, 1)
IMAGE = -200


@pytest.fixture(scope="module", params=VARIANTS)
def golden(request, find_golden):
    folder = find_golden(request.param)
    fields = read_config(folder)
    model = open_official_model(folder)
    processor = open_image_processor(folder, fields)
    inputs = dict(np.load(folder / "inputs.npz"))
    images = [Image.fromarray(inputs[f"image_{i}"]) for i in (0, 1)]
    sizes = [image.size for image in images]
    tokens = encode_images(model, find_host(model.config), processor, images, 8)
    return SimpleNamespace(
        model=model,
        inputs=inputs,
        outputs=dict(np.load(folder / "outputs.npz")),
        rows=fields["vocab_size"],
        sizes=tuple(sizes),
        pixels=[cut(processor, image) for image in images],
        crops=[grid.reshape(-1, *grid.shape[-2:]) for grid in tokens],
        pyramids=build_pyramids(model, find_host(model.config), tokens, sizes, SCALES, "average"),
    )


def cut(processor, image):
    """Pixel values of every crop of an image [n, 3, H, W]."""
    pixels = processor(images=[image], return_tensors="pt")["pixel_values"]
    return pixels.reshape(-1, *pixels.shape[-3:])


def compare(golden, name, actual, tolerance):
    """Compare with an array that the copy may lack; tell whether it is there."""
    if name not in golden.outputs:
        return False
    close(actual, golden.outputs[name], tolerance)
    return True


def close(actual, expected, tolerance):
    expected = torch.as_tensor(expected)
    assert actual.shape == expected.shape
    assert float((actual.detach() - expected).abs().max()) <= tolerance


def expand(golden, ids, count):
    place = list(ids).index(IMAGE)
    image_id = golden.model.config.image_token_id
    return [*ids[:place], *[image_id] * count, *ids[place + 1 :]]


def prompt_ids(golden, i, count):
    return expand(golden, golden.inputs[f"prompt_ids_{i}"].tolist(), count)


def row_ids(golden, i, count):
    ids = golden.inputs["input_ids"][i][golden.inputs["attention_mask"][i]].tolist()
    return expand(golden, ids, count)


def test_pixels_are_equal(golden):
    stacked = golden.inputs.get("pixel_values")
    for i, actual in enumerate(golden.pixels):
        assert actual.dtype == torch.float32
        expected = golden.inputs.get(f"pixel_values_{i}", stacked)
        if expected is not None:
            expected = expected if stacked is None else stacked[[i]]
            assert np.array_equal(actual.numpy(), expected)
        else:  # the copy holds their hash
            digest = hashlib.sha256(actual.numpy().astype("<f4").tobytes()).hexdigest()
            assert digest == golden.inputs[f"pixel_sha256_{i}"]


def test_features_of_crops_and_what_they_are_merged_to(golden):
    crops, merged = (
        [
            compare(golden, f"{name}_{scale}_{i}", actual, 3e-5)
            for i in (0, 1)
            for scale in SCALES
            for actual in [give(i, scale)]
        ]
        for name, give in (
            ("feat", lambda i, scale: pool_tokens(golden.crops[i], scale)),
            ("merged", lambda i, scale: golden.pyramids[i][scale]),
        )
    )
    assert any(crops)
    # Where there is one crop there is nothing to merge, and the copy does without.
    assert any(merged) or [len(crops) for crops in golden.crops] == [1, 1]


@pytest.mark.parametrize("scale", SCALES)
def test_counts(golden, scale):
    for i, pyramid in enumerate(golden.pyramids):
        count = len(pyramid[scale])
        assert count == golden.outputs[f"n_visual_{scale}"][i]
        assert len(prompt_ids(golden, i, count)) == golden.outputs[f"prompt_len_{scale}"][i]
        assert len(row_ids(golden, i, count)) == golden.outputs[f"seq_len_{scale}"][i]


def check_answers(golden, state, i, scale):
    """Compare the logits behind prompts about image i, and eight greedy ids, slot by slot."""
    expected = golden.outputs[f"prompt_logits_{scale}"][i]
    for logits in state.logits.flatten(0, 1)[:, : golden.rows]:
        close(logits, expected, 3e-5)
    actual = decode(golden.model, state, (), 8).token_ids.flatten(0, 1)
    for ids in actual.tolist():
        assert ids == golden.outputs[f"gen_{scale}"][i].tolist()


@pytest.mark.parametrize("scale", SCALES)
def test_prompts_and_greedy_ids_side_by_side(golden, scale):
    """Both rows in one batch; in the variants with crops they differ in visual tokens."""
    features = [pyramid[scale] for pyramid in golden.pyramids]
    ids = [prompt_ids(golden, i, len(tokens)) for i, tokens in enumerate(features)]
    with torch.no_grad():
        state = prefill_padded(golden.model, find_host(golden.model.config), ids, features, 0)
        for logits, expected in zip(
            state.logits[:, 0, : golden.rows],
            golden.outputs[f"prompt_logits_{scale}"],
            strict=True,
        ):
            close(logits, expected, 3e-5)
        actual = decode(golden.model, state, (), 8).token_ids[:, 0]
    assert actual.tolist() == golden.outputs[f"gen_{scale}"].tolist()


@pytest.mark.parametrize("scale", SCALES)
def test_prompts_and_greedy_ids_packed(golden, scale):
    """Two questions an image, which share its visual tokens."""
    image_id = golden.model.config.image_token_id
    for i, pyramid in enumerate(golden.pyramids):
        ids = prompt_ids(golden, i, len(pyramid[scale]))
        end = len(ids) - ids[::-1].index(image_id)
        with torch.no_grad():
            state = prefill_packed(
                golden.model,
                find_host(golden.model.config),
                ids[:end],
                [pyramid[scale]],
                [[ids[end:]] * 2],
                0,
            )
            check_answers(golden, state, i, scale)


@pytest.mark.parametrize("scale", SCALES)
def test_transformers_generates_the_same_ids(golden, scale):
    for i, pyramid in enumerate(golden.pyramids):
        ids = prompt_ids(golden, i, len(pyramid[scale]))
        with torch.no_grad():
            actual = golden.model.generate(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                **list_outputs(torch.tensor([ids]), [pyramid[scale]]),
                max_new_tokens=8,
                do_sample=False,
                eos_token_id=[],
                pad_token_id=0,
            )
        assert actual[0, len(ids) :].tolist() == golden.outputs[f"gen_{scale}"][i].tolist()


def read_row(golden, i, scale):
    """Logits over the official vocabulary of one unpadded training row [L, V]."""
    tokens = golden.pyramids[i][scale]
    ids = torch.tensor([row_ids(golden, i, len(tokens))])
    with torch.no_grad():
        logits = golden.model(input_ids=ids, **list_outputs(ids, [tokens])).logits
    return suppress_tokens(golden.model, logits)[0, :, : golden.rows]


@pytest.mark.parametrize("scale", SCALES)
def test_logits_of_training_rows(golden, scale):
    if f"answer_logits_{scale}" not in golden.outputs:
        pytest.skip("the copy leaves out the logits at this scale")
    rows, places = (golden.outputs[f"answer_{name}_{scale}"] for name in ("row", "pos"))
    read = [read_row(golden, i, scale) for i in (0, 1)]
    logits = torch.stack([read[row][place] for row, place in zip(rows, places, strict=True)])
    close(logits, golden.outputs[f"answer_logits_{scale}"], 3e-5)
    compare(golden, f"last_logits_{scale}", torch.stack([row[-1] for row in read]), 3e-5)


def training_batch(golden):
    """The two rows of the official batch: several turns a row, each seeing those before it."""
    ids, labels, known = (
        torch.as_tensor(golden.inputs[name]) for name in ("input_ids", "labels", "attention_mask")
    )
    [place] = set((ids == IMAGE).nonzero()[:, 1].tolist())
    known = known[:, place + 1 :]
    # Official labels name the token itself, ours the next one.
    following = torch.cat([labels[:, place + 2 :], torch.full((2, 1), IGNORED)], dim=1)
    text = PackedText(
        before=ids[:, :place],
        ids=ids[:, place + 1 :],
        blocks=torch.where(known, 0, -1),
        offsets=torch.arange(known.shape[1]).expand_as(known),
        labels=following,
        dropped=0,
    )
    return Batch(torch.cat(golden.pixels), text, sizes=golden.sizes)


def test_losses_and_gradients_of_a_training_step(golden):
    model = golden.model
    model.zero_grad()
    # The official tower gets no gradient.
    losses = matryoshka_step(model, training_batch(golden), SCALES, FinetuneSettings(tower_rate=0))
    for scale in SCALES:
        assert abs(losses[scale] - float(golden.outputs[f"loss_{scale}"])) <= 1e-5
    assert abs(np.mean(list(losses.values())) - float(golden.outputs["loss_mean"])) <= 1e-5
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
