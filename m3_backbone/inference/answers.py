"""What an answer is: its text and the numbers that labelling and routing want to know about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from m3_backbone.inference.prompts import TokenizedPrompt

STOP, LENGTH = "stop", "length"
"""Why an answer ended: it came to its end or to a stop text, or it was as long as it may be."""


@dataclass(frozen=True)
class TokenLogprob:
    """A token and its log-probability [nats], before any temperature.

    Attributes:
        token_id: its id.
        raw: the bytes that it adds to the text, which those of all tokens make up, but for space
            around it and what stands behind a stop text; an end adds nothing.
        logprob: log-probability; those of a place add up to 1.
        top: the most probable tokens of its place, the first one first.
    """

    token_id: int
    raw: bytes
    logprob: float
    top: tuple["TokenLogprob", ...] = ()

    @property
    def text(self) -> str:
        """Read the bytes as text; a part of a letter is U+FFFD."""
        return self.raw.decode(errors="replace")


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        text: the answer without special tokens and without space around it, cut where it stops.
        token_ids: generated ids, the end token included if it came.
        scale: visual tokens per image crop.
        visual_tokens: visual tokens that were read.
        prompt_tokens: all tokens that were read, text and visual, without padding.
        output_tokens: tokens that were generated, the end token included.
        mean_logprob: mean log-probability of the generated tokens [nats].
        first_margin: log-probability of the best first token minus that of the runner-up [nats].
        wall_ms: time of the batch divided by its answers, without encoding the image [ms].
        batch_size: answers of the batch.
        batch_shape: its rows x answers per row x tokens read per row, such as 4x3x180.
        finish_reason: `STOP` or `LENGTH`.
        logprobs: each generated token, if that was asked for.
    """

    text: str
    token_ids: tuple[int, ...]
    scale: int
    visual_tokens: int
    prompt_tokens: int
    output_tokens: int
    mean_logprob: float
    first_margin: float
    wall_ms: float
    batch_size: int
    batch_shape: str
    finish_reason: str
    logprobs: tuple[TokenLogprob, ...] | None = None


@dataclass(frozen=True)
class Generated:
    """What an engine generated for one prompt.

    Attributes:
        token_ids: generated ids, the end token included if it came.
        logprob: summed log-probability of them [nats].
        margin: log-probability of the best first token minus that of the runner-up [nats].
        stopped: whether the answer came to its end.
        text: what it says, if that is not all that the ids say.
        logprobs: each token, if that was asked for.
    """

    token_ids: Sequence[int]
    logprob: float
    margin: float
    stopped: bool
    text: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None


@dataclass(frozen=True)
class BatchFacts:
    """What all answers of a batch have in common.

    Attributes:
        wall_ms: time per answer [ms].
        size: answers.
        shape: rows, answers per row and tokens read per row.
    """

    wall_ms: float
    size: int
    shape: tuple[int, int, int]


def build_answer(
    generated: Generated,
    prompt: TokenizedPrompt,
    scale: int,
    visual: int,
    facts: BatchFacts,
    tokenizer: PreTrainedTokenizerBase,
) -> Answer:
    """Turn what an engine generated into an answer.

    Args:
        generated: ids and what they were worth.
        prompt: what was asked.
        scale: visual tokens per image crop.
        visual: visual tokens that were read, all crops and newlines included.
        facts: about the batch.
        tokenizer: turns ids into text.
    """
    ids = tuple(generated.token_ids)
    return Answer(
        text=read_text(ids, tokenizer) if generated.text is None else generated.text,
        token_ids=ids,
        scale=scale,
        visual_tokens=visual,
        prompt_tokens=prompt.text_tokens() + visual,
        output_tokens=len(ids),
        mean_logprob=generated.logprob / len(ids),
        first_margin=generated.margin,
        wall_ms=facts.wall_ms,
        batch_size=facts.size,
        batch_shape="x".join(map(str, facts.shape)),
        finish_reason=STOP if generated.stopped else LENGTH,
        logprobs=generated.logprobs,
    )


def read_text(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> str:
    """Give the text of generated ids, without special tokens and without space around it."""
    return read_whole(ids, tokenizer).strip()


def read_whole(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> str:
    """Give the text of generated ids without special tokens."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))
