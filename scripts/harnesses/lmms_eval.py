"""The model `m3scale` of lmms-eval: a fixed scale or a router, as `--model_args` say.

It takes tasks as messages. The log of samples has the scale and the visual tokens of each answer.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.models.model_utils.gen_metrics import log_metrics
from lmms_eval.models.registry_v2 import ModelManifest
from tqdm import tqdm

from m3_backbone.backbone import Answer
from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import AdaptiveAnswer, AdaptiveM3
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import ImageSource, Turn
from scripts.harnesses.answering import FixedScale, open_model
from scripts.harnesses.asking import read_sampling, read_turn
from scripts.harnesses.model_args import read_model_args, split_args

MANIFEST = ModelManifest("m3scale", chat_class_path="scripts.harnesses.lmms_eval.M3ScaleModel")
"""What the entry point names."""


@dataclass
class VisualTokenCounts(TokenCounts):
    """What an answer took, as it stands in the log.

    Attributes:
        visual_tokens: visual tokens that were read; `input_tokens` counts them too.
        scale: visual tokens per image crop.
    """

    visual_tokens: int | None = None
    scale: int | None = None

    def to_dict(self) -> dict[str, int | None]:
        """Give what is logged."""
        return {**super().to_dict(), "visual_tokens": self.visual_tokens, "scale": self.scale}


class M3ScaleModel(lmms):
    """Answers lmms-eval's requests.

    Attributes:
        model: what answers.
        knob: operating point.
        longest: most tokens of an answer where a task does not say.
        batch_size: requests that are answered at once.
    """

    is_simple = False

    def __init__(
        self, model: AdaptiveM3 | FixedScale, knob: Knob, longest: int, batch_size: int = 1
    ) -> None:
        super().__init__()
        self.model = model
        self.knob = knob
        self.longest = longest
        self.batch_size = batch_size

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: Mapping[str, Any] | None = None
    ) -> "M3ScaleModel":
        """Open what `--model_args` say.

        Args:
            arg_string: NAME=VALUE,... as for `m3scale ask`; a value with a comma in quotes.
            additional_config: `--device` and `--batch_size`, where they are given.
        """
        with exit_on_mistakes():
            config = additional_config or {}
            pairs = split_args(arg_string)
            if config.get("device") is not None:
                pairs.append(("device", str(config["device"])))
            args = read_model_args(pairs)
            batch_size = read_batch_size(config.get("batch_size"))
            if int(os.environ.get("WORLD_SIZE", "1")) > 1:
                raise ValueError(
                    "m3scale answers in one process: start lmms-eval without accelerate launch "
                    "or torchrun, once for each part (--offset, --limit)"
                )
            return cls(*open_model(args), args.settings.max_new_tokens, batch_size)

    @property
    def device(self) -> Any:
        """Say where the model is."""
        return self.model.backbone.model.device

    def generate_until(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """Answer requests, each a conversation about images; see `lmms`."""
        with exit_on_mistakes():
            # All of them before the first answer, which may take hours.
            samplings = [self._read_sampling(request) for request in requests]
            start = time.perf_counter()
            answers: list[Answer | AdaptiveAnswer] = []
            with tqdm(total=len(requests), desc="m3scale", disable=self.rank != 0) as bar:
                for first in range(0, len(requests), self.batch_size):
                    rows = range(first, min(first + self.batch_size, len(requests)))
                    asked = [self._read(requests[row], samplings[row]) for row in rows]
                    answers += self.model.answer(asked)
                    bar.update(len(rows))
        _log_totals(answers, time.perf_counter() - start)
        return [_as_result(answer) for answer in answers]

    def loglikelihood(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse to weigh given answers."""
        _refuse(requests, "asks how likely given answers are (loglikelihood, multiple_choice)")

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse to go on with a conversation."""
        _refuse(requests, "asks in several rounds (generate_until_multi_round)")

    def _read_sampling(self, request: Instance) -> Sampling:
        settings, task = request.args[2] or {}, request.args[4]
        try:
            return read_sampling(settings, self.longest)
        except ValueError as error:
            raise ValueError(f"task {task}: {error}") from error

    def _read(self, request: Instance, sampling: Sampling) -> Request:
        _, doc_to_messages, _, number, task, split = request.args
        try:
            messages = doc_to_messages(self.task_dict[task][split][number])
            return Request(tuple(map(read_message, messages)), self.knob, sampling)
        except (ValueError, OSError) as error:
            raise ValueError(f"task {task}, document {number}: {error}") from error


@contextmanager
def exit_on_mistakes() -> Iterator[None]:
    """End the process with one line where the input is bad.

    lmms-eval would print a traceback and end as if all was well.

    Yields:
        Nothing.

    Raises:
        SystemExit: if the block raised ValueError or OSError.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise SystemExit(f"Error: {' '.join(str(error).split())}") from error


def read_batch_size(value: object) -> int:
    """Read `--batch_size`; 1 where it is not given.

    Raises:
        ValueError: if it is no count.
    """
    text = "1" if value is None else str(value)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"--batch_size must be a whole number of at least 1, got {text!r}")
    return int(text)


def read_message(message: Mapping[str, Any]) -> Turn:
    """Read a message of lmms-eval's chat protocol.

    Raises:
        ValueError: if it holds a video or sound, or an image that is none.
    """
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for part in parts:
        if part["type"] not in ("text", "image"):
            raise ValueError(f"m3scale reads texts and images, got {part['type']}")
    texts = [part["text"] for part in parts if part["type"] == "text"]
    images: list[ImageSource] = [part["url"] for part in parts if part["type"] == "image"]
    return read_turn(message["role"], texts, images)


def _as_result(answer: Answer | AdaptiveAnswer) -> GenerationResult:
    counts = VisualTokenCounts(
        input_tokens=answer.prompt_tokens,
        output_tokens=answer.output_tokens,
        visual_tokens=answer.visual_tokens,
        scale=answer.scale,
    )
    return GenerationResult(text=answer.text, token_counts=counts)


def _log_totals(answers: Sequence[Answer | AdaptiveAnswer], seconds: float) -> None:
    """Put the throughput and the mean visual tokens into lmms-eval's results."""
    made = sum(answer.output_tokens for answer in answers)
    read = sum(answer.visual_tokens for answer in answers)
    log_metrics(
        total_elapsed_time=seconds,
        total_gen_tokens=made,
        avg_speed=made / max(seconds, 1e-9),
        additional_metrics={"visual_tokens": read / max(len(answers), 1)},
    )


def _refuse(requests: Sequence[Instance], what: str) -> NoReturn:
    tasks = sorted({str(request.task_name) for request in requests})
    raise SystemExit(f"Error: m3scale generates answers; task {', '.join(tasks)} {what}")
