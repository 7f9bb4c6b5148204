"""What an answer is: its text and the numbers that labelling and routing want to know about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from m3_backbone.inference.decoding import GreedyOutput
from m3_backbone.inference.prompts import TokenizedPrompt


@dataclass(frozen=True)
class Answer:
    """One greedy answer.

    Attributes:
        text: the answer without special tokens and without space around it.
        token_ids: generated ids, the end token included if it came.
        scale: visual tokens per image crop.
        visual_tokens: visual tokens that were read.
        prompt_tokens: all tokens that were read, text and visual, without padding.
        output_tokens: tokens that were generated, the end token included.
        mean_logprob: mean log-probability of the generated tokens [nats].
        first_margin: log-probability of the first token minus that of the runner-up [nats].
        wall_ms: time of the batch divided by its answers, without encoding the image [ms].
        batch_size: answers of the batch.
        batch_shape: its rows x answers per row x tokens read per row, such as 4x3x180.
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


@dataclass(frozen=True)
class BatchFacts:
    """What all answers of a batch have in common.

    Attributes:
        scale: visual tokens per image crop.
        visual: visual tokens of each row, all its crops and newlines included.
        wall_ms: time per answer [ms].
        shape: rows, answers per row and tokens read per row.
    """

    scale: int
    visual: Sequence[int]
    wall_ms: float
    shape: tuple[int, int, int]


def build_answers(
    output: GreedyOutput,
    prompts: Sequence[Sequence[TokenizedPrompt]],
    facts: BatchFacts,
    tokenizer: PreTrainedTokenizerBase,
) -> list[list[Answer]]:
    """Turn what the greedy loop produced into answers.

    Args:
        output: the loop's record.
        prompts: the prompt of each slot of each row.
        facts: what they have in common.
        tokenizer: turns ids into text.
    """
    lengths = output.lengths.tolist()
    token_ids = output.token_ids.tolist()
    logprobs = output.logprob.tolist()
    margins = output.margin.tolist()
    batch_size = sum(map(len, prompts))
    batch_shape = "x".join(map(str, facts.shape))

    def build(row: int, slot: int, prompt: TokenizedPrompt) -> Answer:
        length = lengths[row][slot]
        ids = token_ids[row][slot][:length]
        return Answer(
            text=str(tokenizer.decode(ids, skip_special_tokens=True)).strip(),
            token_ids=tuple(ids),
            scale=facts.scale,
            visual_tokens=facts.visual[row],
            prompt_tokens=prompt.text_tokens() + facts.visual[row],
            output_tokens=length,
            mean_logprob=logprobs[row][slot] / length,
            first_margin=margins[row][slot],
            wall_ms=facts.wall_ms,
            batch_size=batch_size,
            batch_shape=batch_shape,
        )

    return [
        [build(row, slot, prompt) for slot, prompt in enumerate(row_prompts)]
        for row, row_prompts in enumerate(prompts)
    ]
