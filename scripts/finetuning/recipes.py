"""The steps of `m3scale finetune`: open a start, train it, write a stock checkpoint."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from labels.questions import QuestionSet
from labels.scenes.benchmark import ExtraTurns
from labels.scenes.dense_targets import DENSE_TARGETS
from labels.scenes.draws import Draw, emphasise, find_draw
from labels.scenes.items import CONTENTS
from labels.scenes.vocabulary import GLYPHS, WORDS
from labels.sources.llava_conversations import Conversation, read_conversations
from labels.sources.loading import Reading, load_questions
from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.training.finetune import Batch, finetune
from m3_backbone.training.packing import pack_texts
from m3_backbone.training.settings import FinetuneSettings, LoopSettings
from m3_backbone.training.tower import pretrain_tower
from m3_backbone.training.trainable import add_adapter
from scripts.finetuning.batches import (
    Example,
    cached_batches,
    conversation_batches,
    dense_batches,
    finetune_batches,
    image_batches,
    scene_examples,
)
from scripts.finetuning.checking import keep_usable, remember_images
from scripts.finetuning.leaving_out import tell_left_out
from scripts.finetuning.question_sets import check_teachable, keep_fitting, question_examples
from scripts.finetuning.settings import Sizes, Source, parse_emphasis
from scripts.finetuning.start import (
    Start,
    checked_images,
    stop_at_end,
    unfinished,
    write_checkpoint,
)

Data = list[Conversation] | QuestionSet | Callable[[int], Example]
"""What is trained on: conversations, questions, or index -> an image and what is asked about it."""


def open_data(
    source: Source, out: Path, loop: LoopSettings, settings: FinetuneSettings
) -> tuple[Data, list[str]]:
    """Open what to train on, and check all images that conversations name.

    Args:
        source: what to train on.
        out: folder that the training writes.
        loop: seed, and whether to show progress.
        settings: whether batches are also to say what every patch of a scene shows.

    Returns:
        The data, and the message of each conversation or row that was left out.

    Raises:
        ValueError: if a conversation cannot be used and is not to be left out, or none can, or a
            question cannot be trained on.
    """
    draw = find_draw(source.data)
    if source.images is None and draw:
        return open_scenes(source, loop.seed, settings.dense_weight > 0, draw), []
    if source.images is None:
        reading = Reading(skip_bad=source.skip_bad)
        questions = load_questions(source.data, split=source.split, reading=reading)
        check_teachable(questions)
        return questions, list(questions.skipped)
    skipped: list[str] = []
    bad = skipped if source.skip_bad else None
    read = read_conversations(Path(source.data), source.images, bad)
    kept = keep_usable(read, checked_images(out), bad, loop.quiet)
    if not kept:
        raise ValueError(f"no conversation of {source.data} can be used; the first: {skipped[0]}")
    return kept, skipped


def draw_batches(
    start: Start, data: Data, turns: int, sizes: Sizes, loop: LoopSettings, out: Path
) -> Callable[[int], Batch]:
    """Make batches for `m3_backbone.training.finetune`.

    Args:
        start: the model and what prepares its images and text.
        data: what to train on.
        turns: most questions of an image of a question set in one step.
        sizes: sizes of a batch.
        loop: seed, and whether to show progress.
        out: folder that the training writes.

    Returns:
        Number -> batch.
    """
    prompts = PromptBuilder(start.tokenizer, start.model.config.image_token_id)
    stop_at_end(start.model, prompts)
    if isinstance(data, list):
        batches = conversation_batches(start, data, sizes.batch, sizes.max_length, loop.seed)
        remember_images(data, checked_images(out))
        return batches
    pack = partial(pack_texts, prompts)
    if isinstance(data, QuestionSet):
        pack = partial(pack_texts, prompts, max_tokens=sizes.max_length)
        data, long = keep_fitting(data, prompts, sizes.max_length, loop.quiet)
        tell_left_out(long)
        data = question_examples(data, turns, loop.seed)
    if not sizes.cached:
        return finetune_batches(data, start.image_processor, pack, sizes.batch)
    draw = image_batches(data, start.image_processor, sizes.batch)
    # Whole batches, and at least one.
    count = max(sizes.cached // sizes.batch, 1)
    return cached_batches(start.model, draw, pack, count, loop.seed, loop.quiet)


def open_scenes(source: Source, seed: int, dense: bool, draw: Draw) -> Callable[[int], Example]:
    """Open endless scenes of a draw."""
    draw = weigh_draw(draw, source)
    extra = ExtraTurns(source.described, source.casual)
    return scene_examples(source.turns, seed, source.easy, dense, draw, extra, source.unknown_words)


def weigh_draw(draw: Draw, source: Source) -> Draw:
    """Give a draw the weights that --emphasis names."""
    return emphasise(draw, parse_emphasis(source.emphasis))


def train_tower(
    start: Start, out: Path, loop: LoopSettings, rate: float, batch: int, draw: Draw
) -> dict[str, float]:
    """Pretrain the vision tower on the dense targets of a draw and write the model with it."""
    result = pretrain_tower(
        start.model.model.vision_tower,
        DENSE_TARGETS,
        dense_batches(start.image_processor, batch, loop.seed, draw),
        loop,
        unfinished(out),
        rate,
    )
    write_checkpoint(start, out)
    return result


def train_answers(
    start: Start,
    draw: Callable[[int], Batch],
    out: Path,
    loop: LoopSettings,
    rates: FinetuneSettings,
    adapter: bool,
) -> dict[str, float]:
    """Fine-tune on questions and answers and write what `adapter` asks for.

    Args:
        start: what to train.
        draw: number -> batch.
        out: folder to write.
        loop: how long.
        rates: what is trained.
        adapter: write the LoRA and the other trained weights, not the merged model.

    Returns:
        The losses at the end, and how much was too long to learn from.
    """
    model = start.model
    adapted = None
    if rates.align_weight:
        rates = replace(rates, align_ids=content_ids(start.tokenizer))
    if rates.lora_rank:
        adapted = add_adapter(model, rates.lora_rank, rates.lora_alpha, loop.seed)
        # The language model may be half as precise while frozen; what is trained must not be.
        model.model.vision_tower.float()
        model.model.multi_modal_projector.float()
    done = finetune(model, draw, start.scales, rates, loop, unfinished(out))
    # So that a LLaVA that was none before is known as a Matryoshka model.
    if not getattr(model.config, "matryoshka_vis_token_scale", None):
        model.config.update({"matryoshka_vis_token_scale": list(start.scales)})
    if adapted is not None and not adapter:
        adapted.merge_and_unload()  # adds the LoRA to the weights, in place
        # The tower and the projector too, which learnt in float32: a checkpoint has one format.
        model.to(model.lm_head.weight.dtype)
        adapted = None
    write_checkpoint(start, out, adapted)
    losses = {f"loss at {scale}": loss for scale, loss in done.losses.items()}
    return {**losses, "dropped": done.dropped} if done.dropped else losses


def content_ids(tokenizer: Any) -> tuple[int, ...]:
    """Find the token of each content of a patch, -1 where it is no single token."""
    content = []
    for name in CONTENTS:
        # Behind a space, as it stands within a sentence.
        ids = tokenizer(f" {name}", add_special_tokens=False)["input_ids"]
        content.append(ids[0] if len(ids) == 1 and name in (*GLYPHS, *WORDS) else -1)
    return tuple(content)
