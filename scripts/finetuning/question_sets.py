"""Question sets to train on: what of them can be learnt, and what is asked in which epoch."""

from collections.abc import Callable, Sequence

from tqdm.auto import tqdm

from labels.metrics.registry import reference_text
from labels.questions import REFERENCE, Question, QuestionSet, format_question
from m3_backbone.inference.prompts import PromptBuilder, pack_turns
from scripts.finetuning.batches import Example, Turns, shuffled_place, take_turns
from scripts.finetuning.checking import QUIET_SECONDS


def question_examples(questions: QuestionSet, turns: int, seed: int) -> Callable[[int], Example]:
    """Serve the images of a question set in a new order each epoch.

    Args:
        questions: the set to train on.
        turns: most questions of an image in one step; each epoch goes on with those behind.
        seed: seed of the order.

    Returns:
        Index -> image and its (question, answer) pairs.
    """
    groups = questions.by_image()

    def example(index: int) -> Example:
        group = groups[shuffled_place(len(groups), seed, index)]
        asked, spare = take_turns(list_turns(group), turns, index // len(groups))
        return Example(questions.image(group[0].image_id), asked, spare=spare)

    return example


def list_turns(group: Sequence[Question]) -> Turns:
    """Give what a model is asked, options included, and what it should answer."""
    return [(format_question(one), reference_text(one)) for one in group]


def check_teachable(questions: QuestionSet) -> None:
    """Refuse a set with questions that cannot be trained on.

    Raises:
        ValueError: if one has no answer, or several images.
    """
    refused = {one.sample_id: why for one in questions if (why := find_obstacle(one))}
    if refused:
        sample, why = next(iter(refused.items()))
        more = f"; {len(refused) - 1} more such rows" if len(refused) > 1 else ""
        raise ValueError(f"{questions.name}: sample {sample!r} {why}{more}")


def find_obstacle(question: Question) -> str:
    """Say why a question cannot be trained on; nothing if it can."""
    if question.metric == REFERENCE:
        return f"has the metric {REFERENCE}, so there is no answer to learn"
    if question.images:
        return f"is about {len(question.images)} images, training takes questions about one"
    return ""


def keep_fitting(
    questions: QuestionSet, prompts: PromptBuilder, max_tokens: int, quiet: bool = False
) -> tuple[QuestionSet, list[str]]:
    """Leave out questions that are too long, so that every image in every epoch has one that fits.

    Args:
        questions: what to train on.
        prompts: template and tokenizer.
        max_tokens: most ids behind the image.
        quiet: hide the progress bar.

    Returns:
        The questions that fit, in order, and a message for each of the others.

    Raises:
        ValueError: if none fits, or no prompt can be made of one.
    """
    kept: list[Question] = []
    long: list[str] = []
    bar = tqdm(
        questions,
        desc="measuring",
        unit=" questions",
        delay=QUIET_SECONDS,
        disable=quiet or None,
    )
    for one in bar:
        length = count_ids(one, prompts)
        if length <= max_tokens:
            kept.append(one)
        else:
            told = f"{length} tokens with its answer, --max-length is {max_tokens}"
            long.append(f"sample {one.sample_id!r} has {told}")
    if not kept:
        raise ValueError(f"no question of {questions.name} is short enough: {long[0]}; raise it")
    return questions.exchange(kept), long


def count_ids(question: Question, prompts: PromptBuilder) -> int:
    """Count the ids of a question behind its image, answer included.

    Raises:
        ValueError: if no prompt can be made of it.
    """
    try:
        [(ids, _)] = pack_turns(prompts, list_turns([question]))
    except ValueError as error:
        raise ValueError(f"sample {question.sample_id!r}: {error}") from error
    return len(ids)
