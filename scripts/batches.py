"""Turns scenes or a question set into training batches; a batch depends on its step alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from labels.questions import QuestionSet, format_question
from labels.scene_dense import DENSE_TARGETS, dense_targets
from labels.scene_items import Scene
from labels.scene_splits import draw_image, make_scene
from labels.scenes import conversation, expected_text, render_scene
from m3_backbone.finetune import Batch, encode_pixels
from m3_backbone.packing import pack_texts
from m3_backbone.prefetch import prefetch_batches
from m3_backbone.prompts import PromptBuilder
from m3_backbone.tower import DenseBatch

TRAINING_SPLIT = "train"
Turns = list[tuple[str, str]]
Example = tuple[Image.Image, Turns]


def scene_examples(
    turns: int, seed: int, draws: int = 1, described: int = 0
) -> Callable[[int], Example]:
    """Serve scenes of the training split without end.

    Args:
        turns: most questions of a scene.
        seed: seed of the benchmark.
        draws: take the emptiest of so many scenes; more than one makes an easy start, from which
            a fresh language model learns to look at the image at all.
        described: descriptions in front of the questions.

    Returns:
        Index -> image and its (question, answer) pairs.
    """

    def example(index: int) -> Example:
        drawn = range(index * draws, (index + 1) * draws)
        if draws > 1:
            index = min(drawn, key=lambda i: len(make_scene(TRAINING_SPLIT, i, seed).items))
        image = render_scene(TRAINING_SPLIT, index, seed)
        return image, conversation(TRAINING_SPLIT, index, turns, seed, described)

    return example


def question_examples(questions: QuestionSet, turns: int, seed: int) -> Callable[[int], Example]:
    """Serve the images of a question set in a new order each epoch.

    Args:
        questions: the set to train on.
        turns: most questions of an image in one step.
        seed: seed of the order.

    Returns:
        Index -> image and its (question, answer) pairs.
    """
    groups = questions.by_image()

    def example(index: int) -> Example:
        epoch, place = divmod(index, len(groups))
        order = np.random.default_rng([seed, epoch]).permutation(len(groups))
        group = groups[int(order[place])][:turns]
        image = questions.image(group[0].image_id)
        return image, [(format_question(question), expected_text(question)) for question in group]

    return example


def image_batches(
    example: Callable[[int], Example], processor: Any, size: int
) -> Callable[[int], tuple[torch.Tensor, list[Turns]]]:
    """Preprocess examples: step -> pixel values [size, 3, H, W] and what is asked of each."""

    def draw(step: int) -> tuple[torch.Tensor, list[Turns]]:
        chosen = [example(step * size + place) for place in range(size)]
        pixels = processor(images=[image for image, _ in chosen], return_tensors="pt")
        return pixels["pixel_values"], [turns for _, turns in chosen]

    return draw


def finetune_batches(
    example: Callable[[int], Example], processor: Any, prompts: PromptBuilder, size: int
) -> Callable[[int], Batch]:
    """Batch examples for `m3_backbone.finetune`.

    Args:
        example: index -> image and its (question, answer) pairs.
        processor: the checkpoint's image processor.
        prompts: the checkpoint's template and tokenizer.
        size: images a step.

    Returns:
        Step -> batch.
    """
    draw_images = image_batches(example, processor, size)

    def draw(step: int) -> Batch:
        pixels, turns = draw_images(step)
        return Batch(pixels, pack_texts(prompts, turns))

    return draw


def cached_batches(
    model: Any,
    draw_images: Callable[[int], tuple[torch.Tensor, list[Turns]]],
    prompts: PromptBuilder,
    count: int,
    seed: int,
) -> Callable[[int], Batch]:
    """Encode images once with a frozen tower and batch their features anew each epoch.

    Args:
        model: the stock model.
        draw_images: what `image_batches` gave.
        prompts: the checkpoint's template and tokenizer.
        count: batches to encode; an image takes N x width x 2 bytes of memory.
        seed: seed of the order.

    Returns:
        Step -> batch of features.
    """
    features, turns = [], []
    drawn = prefetch_batches(draw_images, 0, count, workers=1)
    for pixels, asked in tqdm(drawn, desc="encode", total=count):
        with torch.no_grad(), torch.autocast(pixels.device.type, torch.bfloat16):
            features.append(encode_pixels(model, pixels).to(torch.bfloat16))
        turns += asked
    table, size = torch.cat(features), len(features[0])

    def shuffled(step: int) -> Batch:
        epoch, place = divmod(step, count)
        order = np.random.default_rng([seed, epoch]).permutation(len(table))
        chosen = order[place * size : (place + 1) * size]
        text = pack_texts(prompts, [turns[int(row)] for row in chosen])
        return Batch(table[torch.from_numpy(chosen)].float(), text)

    return shuffled


def crowded_scene(index: int, seed: int) -> tuple[Scene, int]:
    """Take the fuller of two training scenes: the more there is to see, the more a tower learns."""
    pair = [(make_scene(TRAINING_SPLIT, i, seed), i) for i in (2 * index, 2 * index + 1)]
    return max(pair, key=lambda one: len(one[0].items))


def dense_batches(processor: Any, size: int, seed: int) -> Callable[[int], DenseBatch]:
    """Batch training scenes with what they show on every patch, for `m3_backbone.tower`."""

    def draw(step: int) -> DenseBatch:
        images, maps = [], []
        for index in range(step * size, (step + 1) * size):
            scene, number = crowded_scene(index, seed)
            images.append(draw_image(scene, TRAINING_SPLIT, number, seed))
            maps.append(dense_targets(scene))
        targets = {
            name: torch.from_numpy(np.stack([one[name].reshape(-1) for one in maps]))
            for name in DENSE_TARGETS
        }
        return processor(images=images, return_tensors="pt")["pixel_values"], targets

    return draw
