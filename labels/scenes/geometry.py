"""Where the things lie that a question is about, and how they lie to the cells that tokens pool.

For the omniscient router alone: it is a limit only if it knows what decides whether a scale can
tell. A scene is made again from the name of a sample, so no stored question holds any of this.
"""

import logging
from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from labels.questions import Question
from labels.scenes.benchmark import find_draft
from labels.scenes.draws import Draw, find_draw
from labels.scenes.items import CONTENT_INDEX, Item, Scene
from labels.scenes.questions import Draft
from labels.scenes.vocabulary import BACKGROUNDS, COLOURS, GLYPHS, IMAGE_SIDE, ORDINALS, WORDS
from labels.scenes.wide.typefaces import check_fonts

logger = logging.getLogger(__name__)

CELLS = (8, 16, 32, 64)
"""Sides of what a token covers at 576, 144, 36 and 9 tokens [pixels]."""

BOUND = (*"0123456789", "bar")
"""What belongs to a thing that it names in `Item.left`."""

Facts = dict[str, float]
Boxes = NDArray[np.float64]


def describe_samples(source: str, questions: Sequence[Question]) -> list[Facts]:
    """Describe what questions of the built-in benchmark are about.

    Args:
        source: name of the question set, see `QuestionSet.name`.
        questions: some of its questions.

    Returns:
        Facts by name for each question; none for those of other data, of an older generator, or of
        the wide draw where its fonts are not installed.
    """
    draw = find_draw(source.partition(":")[0])
    if draw is None or not _can_make(draw):
        return [{} for _ in questions]
    return [_describe(question, draw) for question in questions]


def _can_make(draw: Draw) -> bool:
    if not draw.wide:
        return True
    try:
        check_fonts()
    except ValueError as error:
        logger.warning("the limit does without the places of things: %s", error)
        return False
    return True


def _describe(question: Question, draw: Draw) -> Facts:
    found = find_draft(question, draw)
    return {} if found is None else describe_target(*found)


def describe_target(scene: Scene, draft: Draft) -> Facts:
    """Describe what a question is about.

    Args:
        scene: the scene.
        draft: the question.

    Returns:
        Facts by name: of the thing that is named (`key_...`), of the one that holds the answer
        (`answer_...`), and of the whole. A fact that does not apply is left out.
    """
    named = _find_named(scene, draft)
    answering = _find_answering(scene, draft, named) or named
    facts: Facts = {
        "named": len(named),
        "answering": len(answering),
        "reply_letters": len(draft.answer),
        "font": crc32(scene.font.encode()) % 4096,
        "backdrop": crc32(scene.backdrop.encode()) % 4096,
        "background": list(BACKGROUNDS).index(scene.background),
        "textured": float(scene.textured),
        "nameable": float(scene.nameable),
        "side": float(draft.slots.get("side") == "right"),
    }
    boxes = np.array([item.box for item in scene.items], np.float64)
    for role, items in (("key", named), ("answer", answering)):
        if items:
            # The smallest, since all of them have to be recognised.
            target = min(items, key=lambda item: item.side)
            facts.update({f"{role}_{k}": v for k, v in _measure(target, scene, boxes).items()})
    return facts


def _find_named(scene: Scene, draft: Draft) -> list[Item]:
    """Find the things that a question names, or points at by row and column."""
    slots = draft.slots
    if "name" in slots:
        own = "bar" if draft.template == "bar colour" else slots["name"]
        found = [item for item in scene.items if item.content == own]
        return [item for item in found if own != "bar" or item.left == slots["name"]]
    if "row" not in slots:
        return []
    row = int(slots["row"]) - 1
    column = int(slots["column"]) - 1 if "column" in slots else None
    if "nth" in slots:
        column = ORDINALS.index(slots["nth"])
    known = (*GLYPHS, *WORDS, "unseen")
    return [
        item
        for item in scene.items
        if item.row == row and item.content in known and column in (None, item.column)
    ]


def _find_answering(scene: Scene, draft: Draft, named: Sequence[Item]) -> list[Item]:
    """Find the things that hold the answer: digits, a bar, a neighbour; all where one is sought."""
    if draft.template in ("exists", "listed") and not named:
        return list(scene.items)
    if draft.template in ("price", "number", "bar"):
        name = draft.slots["name"]
        return [item for item in scene.items if item.left == name and item.content in BOUND]
    if draft.template == "beside" and named:
        step = 1 if draft.slots["side"] == "right" else -1
        place = (named[0].row, named[0].column + step)
        return [item for item in scene.items if (item.row, item.column) == place]
    return []


def _measure(item: Item, scene: Scene, boxes: Boxes) -> Facts:
    """Measure a thing by itself, against the background, and in the cells around it."""
    left, top, right, bottom = item.box
    facts: Facts = {
        "width": right - left,
        "height": bottom - top,
        "across": (left + right) / 2,
        "down": (top + bottom) / 2,
        "letters": len(item.text),
        "content": CONTENT_INDEX[item.content],
        "edge": min(left, top, IMAGE_SIDE - right, IMAGE_SIDE - bottom),
    }
    if item.colour:
        ink, paper = COLOURS[item.colour], BACKGROUNDS[scene.background]
        facts["colour"] = list(COLOURS).index(item.colour)
        facts["contrast"] = abs(_brightness(ink) - _brightness(paper))
        facts["distance"] = sum((a - b) ** 2 for a, b in zip(ink, paper, strict=True)) ** 0.5
    for cell in CELLS:
        facts.update({f"{name}_{cell}": v for name, v in _measure_cell(item, boxes, cell).items()})
    return facts


def _measure_cell(item: Item, boxes: Boxes, cell: int) -> Facts:
    """Measure how a thing lies to cells of a side, and what else is in the one that has most.

    Args:
        item: the thing.
        boxes: boxes of all things of the scene [m, 4].
        cell: side of a cell [pixels].
    """
    left, top, right, bottom = item.box
    area = max((right - left) * (bottom - top), 1e-9)
    columns = range(int(left // cell), int(max(right - 1e-9, left) // cell) + 1)
    rows = range(int(top // cell), int(max(bottom - 1e-9, top) // cell) + 1)
    cells = [(x * cell, y * cell, (x + 1) * cell, (y + 1) * cell) for y in rows for x in columns]
    shared = _overlap(np.array(cells), item.box)
    best = int(shared.argmax())
    # Of all things, this one among them.
    within = _overlap(boxes, cells[best])
    return {
        "shift_across": left % cell / cell,
        "shift_down": top % cell / cell,
        "cells": len(cells),
        "inside": float(shared[best]) / area,
        "fills": float(shared[best]) / cell**2,
        "others": int((within > 0).sum()) - 1,
        "other_ink": float(within.sum() - shared[best]) / cell**2,
    }


def _overlap(boxes: Boxes, box: tuple[float, float, float, float]) -> Boxes:
    """Give the area that each of several boxes [m, 4] shares with one [m]."""
    width = np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0])
    height = np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1])
    shared: Boxes = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    return shared


def _brightness(colour: Sequence[int]) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def name_facts(described: Sequence[Sequence[Mapping[str, float]]]) -> tuple[str, ...]:
    """Name all facts that are known in any of several splits, in a fixed order."""
    return tuple(sorted({name for facts in described for one in facts for name in one}))
