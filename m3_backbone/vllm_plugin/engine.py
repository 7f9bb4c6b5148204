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
    TokenLogprob,
    build_answer,
)
from m3_backbone.inference.asked import Prompted
from m3_backbone.inference.batching import Pays, sharing_pays
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.listening import Following
from m3_backbone.inference.prompts import TokenizedPrompt
from m3_backbone.inference.sampling import Sampling
from m3_backbone.inference.speaking import describe_token
from m3_backbone.vllm_plugin.process import VllmProcess
from m3_backbone.vllm_plugin.registration import MODELS

PLUGINS = "vllm.general_plugins"


class VllmEngine(AnswerEngine):
    """Reads prompts with vLLM, which batches and shares what prompts have in common by itself."""

    gives_states = False
    batches = True

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

    def answer_each(self, asked: Sequence[Prompted], batch_size: int) -> list[Answer]:
        """Answer prompts at scales of their own in one batch; `batch_size` is vLLM's to choose."""
        start = time.perf_counter()

        async def follow_all() -> list[Generated]:
            return await asyncio.gather(*map(self._follow, asked))

        generated = self._process.run(follow_all()).result()
        facts = _measure(start, asked)
        return [self._build(*pair, facts) for pair in zip(generated, asked, strict=True)]

    async def answer_soon(self, asked: Prompted) -> Answer:
        """Answer one prompt beside all others that vLLM is reading; who cancels it ends it."""
        start = time.perf_counter()
        generated = await asyncio.wrap_future(self._process.run(self._follow(asked)))
        return self._build(generated, asked, _measure(start, [asked]))

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
        sampling = Sampling(max_new_tokens)
        rows = zip(prompts, features, strict=True)
        flat = [Prompted(one, seen, scale, sampling) for group, seen in rows for one in group]
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
        requests = [_request(row, [tokens]) for row, tokens in zip(ids, features, strict=True)]
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

    async def _follow(self, asked: Prompted) -> Generated:
        """Let vLLM answer, in its event loop, up to a stop text or until nobody listens."""
        following = Following(self._tokenizer, asked.sampling.stop, asked.listener)
        outputs = self._process.follow(self._request(asked), self._options(asked.sampling))
        last: Any = None
        async with aclosing(outputs):
            async for output in outputs:
                last = output.outputs[0]
                if following.follow(last.token_ids):
                    break
        generated = _take_generated(last, asked)
        logprobs = None
        if asked.sampling.top_logprobs is not None:
            pairs = zip(generated.token_ids, last.logprobs, strict=False)
            most = asked.sampling.top_logprobs
            logprobs = tuple(self._describe(token, place, most) for token, place in pairs)
        text = following.text if following.stopped else None
        stopped = generated.stopped or following.stopped
        return replace(generated, stopped=stopped, text=text, logprobs=logprobs)

    def _describe(self, token: int, place: dict[int, Any], most: int) -> TokenLogprob:
        known = {one: float(entry.logprob) for one, entry in place.items()}
        top = sorted(known, key=lambda one: -known[one])[:most]
        return describe_token(token, known, top, self._tokenizer)

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

    def _request(self, asked: Prompted) -> Any:
        prompt = asked.prompt
        counts = prompt.places(len(asked.features))
        places: tuple[Tensor, ...] = torch.split(asked.features, counts)
        # One marker a place, where vLLM puts all of its visual tokens.
        marked = replace(prompt, between=tuple((1, text) for _, text in prompt.between))
        return _request(marked.with_image(self.prompts.image_token_id, len(places)), places)

    def _build(self, generated: Generated, asked: Prompted, facts: BatchFacts) -> Answer:
        visual = len(asked.features)
        return build_answer(generated, asked.prompt, asked.scale, visual, facts, self._tokenizer)


def _request(ids: list[int], places: Sequence[Tensor]) -> Any:
    """Make what vLLM takes of ids and the visual tokens [n_visual, D] of each marker in them."""
    return {"prompt_token_ids": ids, "multi_modal_data": {"image": [one.cpu() for one in places]}}


def _measure(start: float, asked: Sequence[Prompted]) -> BatchFacts:
    """Describe a batch that was begun at `start`."""
    count = len(asked)
    wall_ms = 1000 * (time.perf_counter() - start) / max(count, 1)
    return BatchFacts(wall_ms, count, (count, 1, max((one.length for one in asked), default=0)))


def _take_generated(output: Any, asked: Prompted) -> Generated:
    """Take ids and log-probabilities from what vLLM gives, up to a closing first token."""
    ids = output.token_ids
    closed = ids[0] in asked.prompt.closing
    if closed:
        ids = ids[:1]
    first = sorted((one.logprob for one in output.logprobs[0].values()), reverse=True)
    chosen = [place[one].logprob for place, one in zip(output.logprobs, ids, strict=False)]
    stopped = closed or output.finish_reason == STOP
    return Generated(ids, sum(chosen), first[0] - first[1], stopped)


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
