"""vLLM servers as the language side of `M3Backbone`: ready visual tokens and prompts in, words out.

Tower, projector and table of embeddings stay in this process, as beside vLLM in it.
"""

import asyncio
import base64
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone.hosts.config import StockModel
from m3_backbone.inference.answers import STOP, Answer, BatchFacts, Generated, build_answer
from m3_backbone.inference.conversations import Chat, render_chat
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.prompts import TokenizedPrompt
from m3_backbone.inference.requests import TokenizedRequest
from m3_backbone.inference.streaming import Detokenizer
from m3_backbone.inference.token_sampler import build_generated
from scripts.serving.errors import ApiError
from scripts.serving.upstreams.servers import Upstreams

logger = logging.getLogger(__name__)

MARK = "token_id:"
"""What vLLM writes in front of a token's id."""


@dataclass(frozen=True)
class WrittenPrompt(TokenizedPrompt):
    """A prompt and the words that it was made of.

    Attributes:
        text: the words, with a marker at each place of images.
    """

    text: str = ""


@dataclass
class _StreamState:
    """What an upstream has said so far.

    Attributes:
        ids: its tokens.
        logprobs: of each token those that are known in its place, by id [nats].
        finish_reason: why it ended.
        prompt_tokens: tokens that it has read.
    """

    ids: list[int] = field(default_factory=list)
    logprobs: list[dict[int, float]] = field(default_factory=list)
    finish_reason: str | None = None
    prompt_tokens: int | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event of a stream."""
        for choice in event["choices"]:
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            for one in (choice.get("logprobs") or {}).get("content") or ():
                said = _read_id(one)
                top = {_read_id(other): float(other["logprob"]) for other in one["top_logprobs"]}
                self.ids.append(said)
                self.logprobs.append({**top, said: float(one["logprob"])})
        if usage := event.get("usage"):
            self.prompt_tokens = usage["prompt_tokens"]


class UpstreamEngine(AnswerEngine):
    """Lets servers elsewhere read prompts."""

    gives_states = False
    continuous_batching = True
    attention = "upstream"

    def __init__(
        self, model: StockModel, tokenizer: PreTrainedTokenizerBase, upstreams: Upstreams
    ) -> None:
        """Join what lies before the language model and the servers that run it.

        Args:
            model: the stock model; of its language model only settings and embeddings are used.
            tokenizer: its tokenizer.
            upstreams: vLLM on the same checkpoint, see docs/serving.md.
        """
        super().__init__(model, tokenizer)
        self._upstreams = upstreams

    def tokenize_chat(
        self, chat: Chat, visual: Sequence[int], max_new_tokens: int
    ) -> TokenizedPrompt:
        """Tokenize a conversation, and keep its words; see `AnswerEngine.tokenize_chat`."""
        prompt = super().tokenize_chat(chat, visual, max_new_tokens)
        parts = (prompt.before, prompt.after, prompt.closing, prompt.between)
        return WrittenPrompt(*parts, text=render_chat(self.prompts, chat))

    def answer_each(self, requests: Sequence[TokenizedRequest], batch_size: int) -> list[Answer]:
        """Refuse what only `answer_async` does.

        Raises:
            ValueError: always.
        """
        raise ValueError("upstreams answer streams alone: use AdaptiveM3.stream")

    async def answer_async(self, request: TokenizedRequest) -> Answer:
        """Answer one prompt beside all others; who cancels it ends it."""
        start = time.perf_counter()
        body = await asyncio.to_thread(self._write, request)
        stream = request.stream
        generated = await self._upstreams.ask(
            body, partial(self._read, request), lambda: stream is not None and stream.begun
        )
        facts = BatchFacts(1000 * (time.perf_counter() - start), 1, (1, 1, request.length))
        visual = len(request.features)
        return build_answer(
            generated, request.prompt, request.scale, visual, facts, self._tokenizer
        )

    async def _read(self, request: TokenizedRequest, events: AsyncIterator[Any]) -> Generated:
        state = _StreamState()
        detokenizer = Detokenizer(self._tokenizer, request.sampling.stop, request.stream)
        async for event in events:
            state.take(event)
            _check_prompt(state, request)  # before any word is sent on
            if state.ids and detokenizer.update(state.ids):
                break
        if not state.ids:
            raise _tell_difference(state, request)
        generated = build_generated(
            state.ids,
            state.logprobs,
            state.finish_reason == STOP,
            request.sampling.top_logprobs,
            self._tokenizer,
        )
        return detokenizer.finish(generated)

    def _write(self, request: TokenizedRequest) -> bytes:
        """Write the request of a prompt, whose template upstream is the prompt itself."""
        prompt, sampling = request.prompt, request.sampling
        if not isinstance(prompt, WrittenPrompt):
            raise TypeError("upstreams answer conversations alone")
        places: tuple[Tensor, ...] = torch.split(
            request.features, prompt.places(len(request.features))
        )
        content: list[dict[str, Any]] = [
            {"type": "image_embeds", "image_embeds": _write_tokens(one)} for one in places
        ]
        content.append({"type": "text", "text": prompt.text})
        return json.dumps(
            {
                "messages": [{"role": "user", "content": content}],
                "max_tokens": sampling.max_new_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "seed": sampling.seed,
                "stop_token_ids": [*self.eos_ids],
                "stream": True,
                "stream_options": {"include_usage": True, "continuous_usage_stats": True},
                "logprobs": True,
                # Two at least, for the margin between them.
                "top_logprobs": max(2, sampling.top_logprobs or 0),
                "return_tokens_as_token_ids": True,
            }
        ).encode()


def _write_tokens(tokens: Tensor) -> str:
    """Write visual tokens [n, D] as NumPy's format in base64, which holds no code."""
    file = io.BytesIO()
    np.save(file, tokens.float().cpu().numpy(), allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()


def _read_id(one: Mapping[str, Any]) -> int:
    return int(one["token"].removeprefix(MARK))


def _check_prompt(state: _StreamState, request: TokenizedRequest) -> None:
    """Raise the error of `_tell_difference` if an upstream counts other tokens than were sent.

    vLLM counts with its first event, others may with their last.
    """
    if state.prompt_tokens not in (None, request.length):
        raise _tell_difference(state, request)


def _tell_difference(state: _StreamState, request: TokenizedRequest) -> ApiError:
    """Tell the log in which way an upstream differs, and make the client's error."""
    logger.error(
        "an upstream read %s tokens for %d and said %d: start it on the same checkpoint with "
        "the template of docs/serving.md",
        state.prompt_tokens,
        request.length,
        len(state.ids),
    )
    return ApiError(502, "the upstream reads prompts in another way", "upstream_differs")
