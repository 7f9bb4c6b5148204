"""vLLM as the language side of `M3Backbone`: ready visual tokens and questions in, answers out.

Tower, projector and table of embeddings stay in this process, which makes the features of a router
too; vLLM gets pooled tokens and loads the language model alone.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone.checkpoints.official.config import read_config
from m3_backbone.hosts.config import StockModel
from m3_backbone.inference.answers import (
    STOP,
    Answer,
    BatchFacts,
    Generated,
    build_answer,
)
from m3_backbone.inference.batching import Pays, sharing_pays
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.prompts import TokenizedPrompt
from m3_backbone.inference.requests import TokenizedRequest
from m3_backbone.inference.sampling import Sampling
from m3_backbone.inference.streaming import Detokenizer
from m3_backbone.inference.token_sampler import build_generated
from m3_backbone.vllm_plugin.process import VllmProcess
from m3_backbone.vllm_plugin.registration import MODELS

PLUGINS = "vllm.general_plugins"


class VllmEngine(AnswerEngine):
    """Reads prompts with vLLM, which batches and shares what prompts have in common by itself."""

    gives_states = False
    continuous_batching = True

    def __init__(
        self, model: StockModel, tokenizer: PreTrainedTokenizerBase, process: VllmProcess
    ) -> None:
        """Join what lies before the language model and vLLM, which runs it.

        Args:
            model: the stock model; of its language model only settings and embeddings are used.
            tokenizer: its tokenizer.
            process: vLLM on the same checkpoint.
        """
        super().__init__(model, tokenizer)
        self._process = process

    @property
    def attention(self) -> str:
        """Name vLLM and its version, which chooses the kernel by itself."""
        import vllm

        return f"vllm-{vllm.__version__}"

    def answer_each(self, requests: Sequence[TokenizedRequest], batch_size: int) -> list[Answer]:
        """Answer prompts at scales of their own in one batch; `batch_size` is vLLM's to choose."""
        start = time.perf_counter()

        async def generate_all() -> list[Generated]:
            return await asyncio.gather(*map(self._generate, requests))

        generated = self._process.run(generate_all()).result()
        facts = _measure(start, requests)
        return [self._build(*pair, facts) for pair in zip(generated, requests, strict=True)]

    async def answer_async(self, request: TokenizedRequest) -> Answer:
        """Answer one prompt beside all others that vLLM is reading; who cancels it ends it."""
        start = time.perf_counter()
        generated = await asyncio.wrap_future(self._process.run(self._generate(request)))
        return self._build(generated, request, _measure(start, [request]))

    def answer_groups(
        self,
        prompts: Sequence[Sequence[TokenizedPrompt]],
        features: Sequence[Tensor],
        scale: int,
        samplings: Sequence[Sequence[Sampling]],
        token_budget: int,
        pays: Pays = sharing_pays,
    ) -> list[list[Answer]]:
        """Answer several prompts per image in one batch; its size is vLLM's to choose."""
        rows = zip(prompts, features, samplings, strict=True)
        flat = [
            TokenizedRequest(one, seen, scale, sampling)
            for group, seen, row in rows
            for one, sampling in zip(group, row, strict=True)
        ]
        answers = iter(self.answer_each(flat, 1))
        return [[next(answers) for _ in group] for group in prompts]

    def score_rows(
        self, rows: Sequence[tuple[list[int], list[int]]], features: Sequence[Tensor]
    ) -> list[float]:
        """Score the labels of rows' last places, see `AnswerEngine.score_rows`."""
        marker = self.prompts.image_token_id
        ids = []
        for (row, labels), tokens in zip(rows, features, strict=True):
            place = row.index(marker)
            # One marker for all visual tokens; the last label is scored, so it is read as well.
            ids.append([*row[: place + 1], *row[place + len(tokens) :], labels[-1]])
        options = {"temperature": 0, "max_tokens": 1, "prompt_logprobs": 0}
        requests = [_write_prompt(row, [tokens]) for row, tokens in zip(ids, features, strict=True)]
        outputs = self._process.read(requests, options)
        losses = []
        for output, (_, labels) in zip(outputs, rows, strict=True):
            places = output.prompt_logprobs[-len(labels) :]
            logprobs = [place[one].logprob for place, one in zip(places, labels, strict=True)]
            losses.append(-sum(logprobs) / len(logprobs))
        return losses

    def read_states(self, ids: Sequence[Sequence[int]], features: Sequence[Tensor]) -> Tensor:
        """Refuse, as vLLM gives no hidden states beside answers.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "vLLM gives no states of prompts, which this router or the extra 'state' needs: use "
            "the built-in engine"
        )

    async def _generate(self, request: TokenizedRequest) -> Generated:
        """Let vLLM answer, in its event loop, up to a stop text or until its stream is closed."""
        detokenizer = Detokenizer(self._tokenizer, request.sampling.stop, request.stream)
        outputs = self._process.follow(self._write(request), self._options(request.sampling))
        last: Any = None
        async with aclosing(outputs):
            async for output in outputs:
                last = output.outputs[0]
                if detokenizer.update(last.token_ids):
                    break
        return detokenizer.finish(self._take_generated(last, request))

    def _take_generated(self, output: Any, request: TokenizedRequest) -> Generated:
        """Take ids and log-probabilities from what vLLM gives, up to a closing first token."""
        ids = output.token_ids
        closed = ids[0] in request.prompt.closing
        if closed:
            ids = ids[:1]
        positions = [
            {token: float(entry.logprob) for token, entry in known.items()}
            for known in output.logprobs[: len(ids)]
        ]
        stopped = closed or output.finish_reason == STOP
        count = request.sampling.top_logprobs
        return build_generated(ids, positions, stopped, count, self._tokenizer)

    def _options(self, sampling: Sampling) -> dict[str, Any]:
        return {
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            # Two at least, for the margin between them.
            "logprobs": max(2, sampling.top_logprobs or 0),
            "stop_token_ids": [*self.eos_ids],
        }

    def _write(self, request: TokenizedRequest) -> Any:
        prompt = request.prompt
        counts = prompt.places(len(request.features))
        places: tuple[Tensor, ...] = torch.split(request.features, counts)
        # One marker a place, where vLLM puts all of its visual tokens.
        marked = replace(prompt, between=tuple((1, text) for _, text in prompt.between))
        return _write_prompt(marked.with_image(self.prompts.image_token_id, len(places)), places)

    def _build(self, generated: Generated, request: TokenizedRequest, facts: BatchFacts) -> Answer:
        visual = len(request.features)
        return build_answer(
            generated, request.prompt, request.scale, visual, facts, self._tokenizer
        )


def _write_prompt(ids: list[int], places: Sequence[Tensor]) -> Any:
    """Make what vLLM takes of ids and the visual tokens [n_visual, D] of each marker in them."""
    return {"prompt_token_ids": ids, "multi_modal_data": {"image": [one.cpu() for one in places]}}


def _measure(start: float, requests: Sequence[TokenizedRequest]) -> BatchFacts:
    """Describe a batch that was begun at `start`."""
    count = len(requests)
    wall_ms = 1000 * (time.perf_counter() - start) / max(count, 1)
    return BatchFacts(wall_ms, count, (count, 1, max((one.length for one in requests), default=0)))


def check_vllm(folder: Path, is_placed: bool = False) -> None:
    """Refuse what vLLM cannot answer, before anything is opened.

    Args:
        folder: the checkpoint.
        is_placed: whether a device map or quantization was asked for.

    Raises:
        ValueError: if vLLM or the plug-in is not installed, has no model for the checkpoint, or
            does not take what was asked for.
    """
    if is_placed:
        raise ValueError("device_map and quantize are of the built-in engine, not of vLLM")
    if find_spec("vllm") is None:
        raise ValueError(
            "vLLM is not installed: pip install -e '.[vllm]' in an environment of its own, see "
            "docs/vllm.md"
        )
    known = entry_points(group=PLUGINS)
    if not any(one.value.startswith("m3_backbone.vllm_plugin.") for one in known):
        raise ValueError("vLLM does not know the plug-in: install m3scale beside it, pip install .")
    named = read_config(folder).get("architectures") or [None]
    if named[0] not in MODELS:
        raise ValueError(
            f"{folder} holds a {named[0]}, vLLM answers for {', '.join(MODELS)}: write a stock "
            "folder with m3scale convert, or use the built-in engine"
        )
