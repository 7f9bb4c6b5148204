"""vLLM as the language side of `M3Backbone`: ready visual tokens and questions in, answers out.

Tower, projector and table of embeddings stay in this process, which makes the features of a router
too; vLLM gets pooled tokens and loads the language model alone.
"""

import time
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone.checkpoints.official.config import read_config
from m3_backbone.hosts.config import StockModel
from m3_backbone.inference.answers import (
    Answer,
    BatchFacts,
    Generated,
    build_answer,
    read_text,
)
from m3_backbone.inference.batching import Pays, sharing_pays
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.prompts import TokenizedPrompt
from m3_backbone.vllm_plugin.process import VllmProcess
from m3_backbone.vllm_plugin.registration import MODELS

PLUGINS = "vllm.general_plugins"


class VllmEngine(AnswerEngine):
    """Reads prompts with vLLM, which batches and shares what prompts have in common by itself."""

    gives_states = False

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

    def answer_each(
        self,
        prompts: Sequence[TokenizedPrompt],
        features: Sequence[Tensor],
        scales: Sequence[int],
        max_new_tokens: int,
        batch_size: int,
    ) -> list[Answer]:
        """Answer prompts at scales of their own in one batch; `batch_size` is vLLM's to choose."""
        requests = self._requests([self._mark(prompt) for prompt in prompts], features)
        start = time.perf_counter()
        outputs = self._process.read(requests, self._options(max_new_tokens))
        facts = self._measure(start, prompts, features)
        return [
            build_answer(
                _take_generated(output.outputs[0], prompt),
                prompt,
                scale,
                len(tokens),
                facts,
                self._tokenizer,
            )
            for output, prompt, tokens, scale in zip(
                outputs, prompts, features, scales, strict=True
            )
        ]

    def answer_groups(
        self,
        prompts: Sequence[Sequence[TokenizedPrompt]],
        features: Sequence[Tensor],
        scale: int,
        max_new_tokens: int,
        token_budget: int,
        pays: Pays = sharing_pays,
    ) -> list[list[Answer]]:
        """Answer several prompts per image in one batch; its size is vLLM's to choose."""
        flat = [prompt for group in prompts for prompt in group]
        tokens = [one for one, group in zip(features, prompts, strict=True) for _ in group]
        answers = iter(self.answer_each(flat, tokens, [scale] * len(flat), max_new_tokens, 1))
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
        options = {"max_tokens": 1, "prompt_logprobs": 0}
        outputs = self._process.read(self._requests(ids, features), options)
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

    async def stream(
        self, prompt: TokenizedPrompt, tokens: Tensor, scale: int, max_new_tokens: int
    ) -> AsyncIterator[str | Answer]:
        """Give the words of an answer as they come, then the answer; see `AnswerEngine.stream`."""
        start = time.perf_counter()
        [request] = self._requests([self._mark(prompt)], [tokens])
        said, last = "", None
        async for output in self._process.stream(request, self._options(max_new_tokens)):
            last = output.outputs[0]
            text = read_text(last.token_ids, self._tokenizer)
            # A letter may take several tokens.
            if len(text) > len(said) and (output.finished or not text.endswith("\ufffd")):
                yield text[len(said) :]
                said = text
        facts = self._measure(start, [prompt], [tokens])
        generated = _take_generated(last, prompt)
        yield build_answer(generated, prompt, scale, len(tokens), facts, self._tokenizer)

    def _options(self, max_new_tokens: int) -> dict[str, Any]:
        return {"max_tokens": max_new_tokens, "logprobs": 2, "stop_token_ids": [*self.eos_ids]}

    def _mark(self, prompt: TokenizedPrompt) -> list[int]:
        # One marker, in whose place vLLM puts all visual tokens.
        return prompt.with_image(self.prompts.image_token_id, 1)

    def _requests(self, ids: Sequence[list[int]], features: Sequence[Tensor]) -> list[Any]:
        return [
            {"prompt_token_ids": row, "multi_modal_data": {"image": tokens[None].cpu()}}
            for row, tokens in zip(ids, features, strict=True)
        ]

    def _measure(
        self, start: float, prompts: Sequence[TokenizedPrompt], features: Sequence[Tensor]
    ) -> BatchFacts:
        """Describe a batch that was begun at `start`."""
        count = len(prompts)
        wall_ms = 1000 * (time.perf_counter() - start) / max(count, 1)
        lengths = (p.text_tokens() + len(f) for p, f in zip(prompts, features, strict=True))
        return BatchFacts(wall_ms, count, (count, 1, max(lengths, default=0)))


def _take_generated(output: Any, prompt: TokenizedPrompt) -> Generated:
    """Take ids and log-probabilities from what vLLM gives, up to a closing first token."""
    ids = output.token_ids
    if ids[0] in prompt.closing:
        ids = ids[:1]
    first = sorted((one.logprob for one in output.logprobs[0].values()), reverse=True)
    chosen = [place[one].logprob for place, one in zip(output.logprobs, ids, strict=False)]
    return Generated(ids, sum(chosen), first[0] - first[1])


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
