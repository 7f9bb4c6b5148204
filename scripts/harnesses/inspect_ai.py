"""The model `m3scale/CHECKPOINT` of inspect-ai: a fixed scale or a router, as `-M` says.

Scale, visual tokens and what the router believed stand in the metadata of every output.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    Content,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    TopLogprob,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo
from rich.markup import escape

from m3_backbone.backbone import Answer
from m3_backbone.data_uris import read_data_uri
from m3_backbone.inference.answers import STOP, TokenLogprob
from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import BATCH, AdaptiveAnswer
from predictor.requests.dynamic_batching import DynamicBatcher
from predictor.requests.request import Request
from predictor.requests.turns import Turn
from scripts.harnesses.answering import open_model
from scripts.harnesses.asking import read_sampling, read_turn
from scripts.harnesses.model_args import read_model_args

REFUSED = {
    "num_choices": 1,
    "best_of": 1,
    "prompt_logprobs": 0,
    "response_schema": None,
    "top_k": None,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": None,
}
"""Settings that ask for what is not given here -> the value that asks for nothing."""


@modelapi(name="m3scale")
class M3ScaleAPI(ModelAPI):
    """Answers what tasks of inspect-ai ask side by side, in batches."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        # As every provider of inspect-ai takes what -M gives.
        **model_args: Any,
    ) -> None:
        """Open a model.

        Args:
            model_name: the checkpoint, what stands behind `m3scale/`.
            base_url: not used.
            api_key: not used.
            config: how to generate.
            model_args: the options of `m3scale ask`.

        Raises:
            PrerequisiteError: if they are refused; inspect-ai shows it in one line.
        """
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        try:
            given = [(name, write_value(value)) for name, value in model_args.items()]
            args = read_model_args([("model", model_name), *given])
            model, self._knob = open_model(args)
        except (ValueError, OSError) as error:
            message = " ".join(str(error).split())
            raise PrerequisiteError(f"Error: {escape(message)}") from error
        self._longest = args.settings.max_new_tokens
        answer: Callable[[Sequence[Request]], Sequence[Answer | AdaptiveAnswer]] = model.answer
        self._batcher = DynamicBatcher(answer, ThreadPoolExecutor(1, "m3scale"), BATCH)

    def max_tokens(self) -> int:
        """Give the longest answer where a task does not say [tokens]."""
        return self._longest

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer the last question; see `ModelAPI`."""
        if tools:
            raise ValueError(f"m3scale calls no tools, got {', '.join(t.name for t in tools)}")
        sampling = read_config(config, self._longest)
        # Images are decoded beside the event loop.
        request = await asyncio.to_thread(self._read, input, sampling)
        return write_output(await self._batcher.submit(request), self.model_name)

    def _read(self, messages: Sequence[ChatMessage], sampling: Sampling) -> Request:
        return Request(tuple(map(read_message, messages)), self._knob, sampling)


def write_value(value: object) -> str:
    """Write a model argument as it was given; inspect-ai splits what holds commas.

    >>> write_value(["0.05", "0.05"]), write_value(72)
    ('0.05,0.05', '72')
    """
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def read_config(config: GenerateConfig, longest: int) -> Sampling:
    """Read how an answer is generated, and refuse what would not be done.

    Args:
        config: how to generate.
        longest: most tokens of an answer where it does not say.

    Raises:
        ValueError: if something is asked for that is not known here.
    """
    for name, least in REFUSED.items():
        if (getattr(config, name) or least) != least:
            raise ValueError(f"m3scale does not know {name}: leave it out")
    settings = {
        "max_new_tokens": config.max_tokens,
        "until": config.stop_seqs,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "seed": config.seed,
    }
    sampling = read_sampling(settings, longest)
    return replace(sampling, top_logprobs=config.top_logprobs or 0) if config.logprobs else sampling


def read_message(message: ChatMessage) -> Turn:
    """Read a message.

    Raises:
        ValueError: if it holds anything but texts and images.
    """
    parts: Sequence[Content] = message.content_list
    for part in parts:
        if part.type not in ("text", "image"):
            raise ValueError(f"m3scale reads texts and images, got {part.type}")
    texts = [part.text for part in parts if part.type == "text"]
    images = [read_data_uri(part.image, "image") for part in parts if part.type == "image"]
    return read_turn(message.role, texts, images)


def write_output(answer: Answer | AdaptiveAnswer, name: str) -> ModelOutput:
    """Write an answer as inspect-ai logs it.

    Args:
        answer: the answer.
        name: what the model is called.
    """
    facts: dict[str, Any] = {"scale": answer.scale, "visual_tokens": answer.visual_tokens}
    if isinstance(answer, AdaptiveAnswer):
        facts["probabilities"] = {str(scale): p for scale, p in answer.probabilities.items()}
        facts |= {"reason": answer.reason, "unfamiliar": answer.unfamiliar}
    tokens = answer.answer.logprobs if isinstance(answer, AdaptiveAnswer) else answer.logprobs
    choice = ChatCompletionChoice(
        message=ChatMessageAssistant(content=answer.text, model=name, source="generate"),
        stop_reason="stop" if answer.finish_reason == STOP else "max_tokens",
        logprobs=None if tokens is None else Logprobs(content=list(map(_write_logprob, tokens))),
    )
    usage = ModelUsage(
        input_tokens=answer.prompt_tokens,
        output_tokens=answer.output_tokens,
        total_tokens=answer.prompt_tokens + answer.output_tokens,
    )
    return ModelOutput(model=name, choices=[choice], usage=usage, metadata=facts)


def _write_logprob(token: TokenLogprob) -> Logprob:
    top = [
        TopLogprob(token=one.text, logprob=one.logprob, bytes=list(one.raw)) for one in token.top
    ]
    return Logprob(
        token=token.text, logprob=token.logprob, bytes=list(token.raw), top_logprobs=top or None
    )
