"""Training batches of scenes, question sets or conversations; each depends on its step alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from labels.scenes.benchmark import NO_EXTRA, ExtraTurns, conversation, render_scene
from labels.scenes.dense_targets import dense_targets, ground_turns
from labels.scenes.draws import SCENES_V2, TRAINING, Draw
from labels.scenes.items import Scene
from labels.scenes.splits import MADE_UP_STREAM, draw_image, make_scene, open_stream
from labels.scenes.wide.made_up import replace_word
from labels.sources.llava_conversations import IMAGE, Conversation
from m3_backbone.hosts.anyres import CropLayout, Size, count_visual_tokens
from m3_backbone.hosts.config import crop_layout
from m3_backbone.hosts.llava import encode_pixels
from m3_backbone.hosts.llava_next import check_processor, cut_image
from m3_backbone.images import load_image, open_image
from m3_backbone.inference.prompts import PromptBuilder, Turn
from m3_backbone.training.conversations import pack_conversations
from m3_backbone.training.distributed import prefetch_batches
from m3_backbone.training.finetune import Batch
from m3_backbone.training.packing import PackedText, QuestionAnswers
from m3_backbone.training.tower import DenseBatch
from scripts.finetuning.start import Start

Turns = list[tuple[str, str]]
Packer = Callable[[Sequence[QuestionAnswers]], PackedText]
"""`pack_texts` with the checkpoint's prompts and the length that is allowed."""


@dataclass(frozen=True)
class Example:
    """An image, what is asked about it, and what every patch shows where that is wanted.

    `spare` holds the turns about it for which there is no room this time.
    """

    image: Image.Image
    turns: Turns
    dense: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    places: NDArray[np.int8] | None = None
    spare: Turns = field(default_factory=list)


def scene_examples(
    turns: int,
    seed: int,
    draws: int = 1,
    dense: bool = False,
    draw: Draw = SCENES_V2,
    extra: ExtraTurns = NO_EXTRA,
    unknown_words: float = 0.0,
) -> Callable[[int], Example]:
    """Serve scenes of the training split without end.

    Args:
        turns: most questions of a scene.
        seed: seed of the benchmark.
        draws: take the emptiest of so many scenes; more than one makes an easy start, from which
            a fresh language model learns to look at the image at all.
        dense: whether to say what every patch shows.
        draw: configuration of the benchmark.
        extra: turns in front of the questions.
        unknown_words: share of the questions in which a word is made up.

    Returns:
        Index -> image and its (question, answer) pairs.
    """

    def example(index: int) -> Example:
        # Each index has `draws` scenes of its own, so that no scene comes twice.
        drawn = range(index * draws, (index + 1) * draws)
        if draws > 1:
            index = min(drawn, key=lambda i: len(make_scene(TRAINING, i, seed, draw).items))
        image = render_scene(TRAINING, index, seed, draw)
        asked = conversation(TRAINING, index, turns, seed, extra, draw)
        targets = dense_targets(make_scene(TRAINING, index, seed, draw)) if dense else {}
        places = ground_turns(asked, index, turns, seed, draw, extra) if dense else None
        if unknown_words:
            random = open_stream(TRAINING, index, seed, MADE_UP_STREAM, draw)
            asked = make_up_words(asked, extra.described, unknown_words, random)
        return Example(image, asked, targets, places)

    return example


def make_up_words(turns: Turns, described: int, share: float, random: np.random.Generator) -> Turns:
    """Replace one word of a share of the questions; what stands before them is left as it is."""
    return turns[:described] + [
        (replace_word(question, random) if random.random() < share else question, answer)
        for question, answer in turns[described:]
    ]


@lru_cache(maxsize=2)
def shuffle_epoch(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Give the order of one epoch; cached, because it is asked for one place at a time."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def shuffled_place(count: int, seed: int, index: int) -> int:
    """Find the item at an index of endless epochs over `count` items, each epoch shuffled anew."""
    epoch, place = divmod(index, count)
    # Seeded by the epoch: a resumed run finds the same order without replaying the epochs before.
    return int(shuffle_epoch(count, seed, epoch)[place])


def take_turns(turns: Turns, most: int, epoch: int) -> tuple[Turns, Turns]:
    """Choose what is asked about an image in one epoch: each goes on where the last one stopped.

    Where it would begin as it began at first it begins one further on: else those at the end, for
    which a batch may have no room, would always be the same.

    Returns:
        At most `most` turns, and the others.
    """
    if not turns:
        return [], []
    most = min(most, len(turns))
    place = epoch * most
    start = (place + place // math.lcm(most, len(turns))) % len(turns)
    rotated = turns[start:] + turns[:start]
    return rotated[:most], rotated[most:]


def image_batches(
    example: Callable[[int], Example], processor: Any, size: int
) -> Callable[[int], tuple[torch.Tensor, list[Example]]]:
    """Preprocess examples: step -> pixel values [size, 3, H, W] and the examples."""

    def draw(step: int) -> tuple[torch.Tensor, list[Example]]:
        chosen = [example(step * size + place) for place in range(size)]
        pixels = processor(images=[one.image for one in chosen], return_tensors="pt")
        return pixels["pixel_values"], chosen  # [size, 3, H, W], or with crops [size, c, 3, H, W]

    return draw


def stack_dense(chosen: Sequence[Example]) -> dict[str, torch.Tensor]:
    """Stack what the patches of each image show: target name -> [B, N]."""
    return {
        # One target per patch in row-major order: [rows, columns] -> [N]
        name: torch.from_numpy(np.stack([one.dense[name].reshape(-1) for one in chosen]))
        for name in chosen[0].dense
    }


def stack_places(chosen: Sequence[Example]) -> torch.Tensor | None:
    """Stack the patches that each question is about [B, questions, N], padded with empty rows."""
    known = [torch.from_numpy(one.places) for one in chosen if one.places is not None]
    return torch.nn.utils.rnn.pad_sequence(known, batch_first=True) if known else None


def finetune_batches(
    example: Callable[[int], Example], processor: Any, pack: Packer, size: int
) -> Callable[[int], Batch]:
    """Batch examples for `m3_backbone.training.finetune`.

    Args:
        example: index -> image and its (question, answer) pairs.
        processor: the checkpoint's image processor.
        pack: packs the questions.
        size: images per step.

    Returns:
        Step -> batch.
    """
    draw_images = image_batches(example, processor, size)

    def draw(step: int) -> Batch:
        pixels, chosen = draw_images(step)
        text = pack([one.turns for one in chosen])
        sizes = tuple(one.image.size for one in chosen)
        return Batch(pixels, text, stack_dense(chosen), stack_places(chosen), sizes)

    return draw


def cached_batches(
    model: Any,
    draw_images: Callable[[int], tuple[torch.Tensor, list[Example]]],
    pack: Packer,
    count: int,
    seed: int,
    quiet: bool = False,
) -> Callable[[int], Batch]:
    """Encode images once with a frozen tower and batch their features anew each epoch.

    Args:
        model: the stock model.
        draw_images: what `image_batches` gave.
        pack: packs the questions.
        count: batches to encode; each image takes N x width x 2 bytes of memory.
        seed: seed of the order.
        quiet: hide the progress bar.

    Returns:
        Step -> batch of features.
    """
    features: list[torch.Tensor] = []
    turns: list[tuple[Turns, Turns]] = []  # of each image those of the first epoch, and the others
    drawn = prefetch_batches(draw_images, 0, count, workers=1)
    for pixels, chosen in tqdm(drawn, desc="encode", total=count, disable=quiet or None):
        if pixels.ndim != 4:
            raise ValueError(
                "a model that cuts images into crops cannot train on features of whole images: "
                "leave out --cached"
            )
        with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16):
            encoded = encode_pixels(model, pixels.to(model.device))
            # In the processor's memory, where workers can read them.
            features.append(encoded.to("cpu", torch.bfloat16))
        turns += [(one.turns, one.spare) for one in chosen]
    table = torch.cat(features)  # [count * size, N, width]
    size = len(features[0])

    def shuffled(step: int) -> Batch:
        epoch, place = divmod(step, count)
        # From the step alone: any worker can draw it, and a resumed run meets the same order.
        order = np.random.default_rng([seed, epoch]).permutation(len(table))
        rows = order[place * size : (place + 1) * size]
        chosen = [turns[int(row)] for row in rows]
        text = pack([take_turns(own + spare, len(own), epoch)[0] for own, spare in chosen])
        # [size, N, width], in float32 again: the table is in half precision to save memory.
        return Batch(table[torch.from_numpy(rows)].float(), text)

    return shuffled


def crowded_scene(index: int, seed: int, draw: Draw) -> tuple[Scene, int]:
    """Take the fuller of two training scenes: the more there is to see, the more a tower learns."""
    pair = [(make_scene(TRAINING, i, seed, draw), i) for i in (2 * index, 2 * index + 1)]
    return max(pair, key=lambda one: len(one[0].items))


def dense_batches(
    processor: Any, size: int, seed: int, draw: Draw = SCENES_V2
) -> Callable[[int], DenseBatch]:
    """Batch training scenes and what every patch shows, for `m3_backbone.training.tower`."""

    def example(index: int) -> Example:
        scene, number = crowded_scene(index, seed, draw)
        image = draw_image(scene, TRAINING, number, seed, draw)
        return Example(image, [], dense_targets(scene))

    draw_images = image_batches(example, processor, size)

    def batch(step: int) -> DenseBatch:
        pixels, chosen = draw_images(step)
        return pixels, stack_dense(chosen)

    return batch


def conversation_batches(
    start: Start, conversations: Sequence[Conversation], size: int, max_length: int, seed: int
) -> Callable[[int], Batch]:
    """Batch conversations for `m3_backbone.training.finetune`, in a new order each epoch.

    Args:
        start: the model and what prepares its images and text.
        conversations: what to train on.
        size: conversations per batch.
        max_length: most tokens of one, its visual tokens at the largest scale included.
        seed: seed of the order.

    Returns:
        Number -> batch.

    Raises:
        ValueError: if no conversation has an answer that fits.
    """
    prompts = PromptBuilder(start.tokenizer, start.model.config.image_token_id)
    layout = crop_layout(start.model.config)
    finest = max(start.scales)
    if layout:
        check_processor(start.image_processor, layout)

    def count_visual(image_size: Size) -> int:
        # At the largest scale: what fits there fits at all.
        return count_visual_tokens(image_size, finest, layout)

    def is_learnt(one: Conversation) -> bool:
        sizes = [read_size(path) for path in one.images]
        turns = place_markers(one, prompts)
        return not pack_conversations(prompts, [(turns, sizes)], count_visual, max_length).dropped

    if not any(is_learnt(one) for one in conversations):
        raise ValueError(
            f"no conversation has an answer within --max-length {max_length} tokens, its images "
            f"with up to {finest} each included: nothing would be learnt; raise it"
        )

    def draw(number: int) -> Batch:
        places = range(number * size, (number + 1) * size)
        chosen = [conversations[shuffled_place(len(conversations), seed, i)] for i in places]
        images = [[load_image(path) for path in one.images] for one in chosen]
        sized = [
            (place_markers(one, prompts), [image.size for image in own])
            for one, own in zip(chosen, images, strict=True)
        ]
        text = pack_conversations(prompts, sized, count_visual, max_length)
        kept = [
            image
            # A conversation that was cut off may have lost its last images.
            for own, (ids, _) in zip(images, text.rows, strict=True)
            for image in own[: ids.count(prompts.image_token_id)]
        ]
        return Batch(read_pixels(start.image_processor, kept, layout), text)

    return draw


def place_markers(one: Conversation, prompts: PromptBuilder) -> list[Turn]:
    """Write the model's own marker where a conversation names its images."""
    return [
        # Without images `IMAGE` is text.
        (count, question.replace(IMAGE, prompts.image_marker) if count else question, answer)
        for count, question, answer in one.turns
    ]


def read_size(path: Path) -> Size:
    """Read width and height of an image file [pixels], as it is stored."""
    with open_image(path, str(path)) as image:
        return image.size


def read_pixels(
    processor: Any, images: Sequence[Image.Image], layout: CropLayout | None
) -> torch.Tensor:
    """Preprocess images: pixel values of all crops [B, 3, H, W].

    Where there is no image a black one stands in, so that every batch passes the vision tower; see
    `Batch`.
    """
    present = list(images) or [Image.new("RGB", (64, 64))]
    if layout:
        # [crops, 3, H, W] of each image, one behind the other.
        return torch.cat([cut_image(processor, image, layout) for image in present])
    pixels: torch.Tensor = processor(images=present, return_tensors="pt")["pixel_values"]
    return pixels
