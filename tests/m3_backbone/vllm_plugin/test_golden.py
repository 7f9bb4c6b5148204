"""Through vLLM: what the official M3 code gave for LLaVA-1.5 and both kinds of LLaVA-NeXT."""

import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from m3_backbone.checkpoints.conversion import save_stock
from m3_backbone.checkpoints.loading import read_checkpoint

pytestmark = pytest.mark.vllm

SCALES = (576, 144, 36, 9, 1)
NARROW, WIDE = 12, 32
"""Numbers of an attention head: of the golden models, and the fewest that vLLM has on a CPU."""


def widen(weight, dim):
    """Fill up heads with zeros between the halves that rotate together."""
    heads = weight.unflatten(dim, (-1, 2, NARROW // 2))
    zeros = (
        torch.zeros_like(heads)
        .narrow(dim + 2, 0, 1)
        .repeat_interleave((WIDE - NARROW) // 2, dim + 2)
    )
    return torch.cat([heads, zeros], dim + 2).flatten(dim, dim + 2)


def widen_heads(model):
    """The same function with wider heads: what is added is zero wherever it is read."""
    state = model.state_dict()
    for name, weight in state.items():
        if ".self_attn." in name and "language_model" in name:
            state[name] = widen(weight, 1 if "o_proj" in name else 0)
        if "q_proj" in name and "language_model" in name:
            # Scores are divided by the root of a head's width.
            state[name] *= math.sqrt(WIDE / NARROW)
    text = model.config.text_config
    text.head_dim = WIDE
    # The first frequencies stay what they were.
    text.rope_parameters["rope_theta"] **= WIDE / NARROW
    wide = type(model)(model.config)
    wide.load_state_dict(state)
    wide.generation_config = model.generation_config
    return wide.eval()


@pytest.fixture(scope="module", params=["llava15", "next_spatial", "next_unpad"])
def golden(request, find_golden, tmp_path_factory, write_sentencepiece, vicuna_pieces, open_llm):
    source = find_golden(request.param)
    official = tmp_path_factory.mktemp("official")
    for name in ("config.json", "vision_config.json", "model.safetensors"):
        shutil.copyfile(source / name, official / name)
    write_sentencepiece(official / "tokenizer.model", vicuna_pieces[:300])
    opened = read_checkpoint(official)
    folder = tmp_path_factory.mktemp("stock")
    save_stock(widen_heads(opened.model), opened.tokenizer, opened.image_processor, folder)
    suppressed = json.loads((folder / "generation_config.json").read_text())["suppress_tokens"]
    inputs = dict(np.load(source / "inputs.npz"))
    return SimpleNamespace(
        llm=open_llm(folder, max_model_len=4096, max_logprobs=-1),
        images=[Image.fromarray(inputs[f"image_{i}"]) for i in (0, 1)],
        prompts=[inputs[f"prompt_ids_{i}"].tolist() for i in (0, 1)],
        image_id=opened.model.config.image_token_id,
        outputs=dict(np.load(source / "outputs.npz")),
        suppressed=suppressed,
    )


def test_all_scales_in_one_batch(golden):
    """First logits, up to the constant that a softmax takes out, and eight greedy ids."""
    from vllm import SamplingParams

    keys = [(scale, i) for scale in SCALES for i in (0, 1)]
    requests = [
        {
            "prompt_token_ids": [golden.image_id if one < 0 else one for one in golden.prompts[i]],
            "multi_modal_data": {"image": golden.images[i]},
            "mm_processor_kwargs": {"visual_tokens": scale},
        }
        for scale, i in keys
    ]
    sampling = SamplingParams(temperature=0, max_tokens=8, logprobs=-1, ignore_eos=True)
    outputs = golden.llm.generate(requests, sampling, use_tqdm=False)
    for (scale, i), output in zip(keys, outputs, strict=True):
        assert len(output.prompt_token_ids) == golden.outputs[f"prompt_len_{scale}"][i]
        expected = torch.as_tensor(golden.outputs[f"prompt_logits_{scale}"][i]).log_softmax(0)
        first = output.outputs[0].logprobs[0]
        actual = torch.tensor([first[token].logprob for token in range(len(expected))])
        assert float((actual - expected).abs().max()) <= 1e-4
        assert list(output.outputs[0].token_ids) == golden.outputs[f"gen_{scale}"][i].tolist()
        # Never answered: the row that conversion added to the vocabulary.
        for token in golden.suppressed:
            assert first[token].logprob == -math.inf
