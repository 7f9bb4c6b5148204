"""Questions about a scene in twelve families, answered from its items, never from its pixels."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labels.scenes.draws import Draw
from labels.scenes.items import Item, Scene
from labels.scenes.layouts import pick, pick_many
from labels.scenes.measures import HIGHEST_VALUE, pick_number
from labels.scenes.templates import TEMPLATES
from labels.scenes.vocabulary import COLOURS, GLYPHS, IMAGE_SIDE, ORDINALS, PLACES, WORDS

Random = np.random.Generator
LARGEST_ADDRESSED = 8
CHOICES = 4
TRIES_PER_QUESTION = 4

# Kinds of scene that show pictograms.
PICTURED = ("grid", "scene", "list")


@dataclass(frozen=True)
class Draft:
    """A question before its wording.

    Attributes:
        family: one of `FAMILIES`.
        template: key of `TEMPLATES`.
        slots: what fills the template.
        answer: the one right answer.
        item_pixels: side in pixels of the smallest item that must be recognised.
        choices: options of a multiple-choice question.
    """

    family: str
    template: str
    slots: dict[str, str]
    answer: str
    item_pixels: float
    choices: tuple[str, ...] = ()


def unique_items(scene: Scene) -> list[Item]:
    """Find the named pictograms and words that occur exactly once."""
    named = (*GLYPHS, *WORDS)
    return [
        item for item in scene.items if scene.counts[item.content] == 1 and item.content in named
    ]


def draw_item(random: Random, items: list[Item]) -> Item | None:
    """Draw one item, or none from an empty list."""
    return items[int(random.integers(len(items)))] if items else None


def ask_gist(scene: Scene, random: Random) -> Draft | None:
    """Ask for the background colour or the kind of picture."""
    if random.random() < 0.6 and scene.nameable:
        return Draft("gist", "background", {}, scene.background, IMAGE_SIDE)
    return Draft("gist", "kind", {}, scene.kind, IMAGE_SIDE)


def ask_layout(scene: Scene, random: Random) -> Draft | None:
    """Ask for the number of rows, or where a named pictogram is in a free scene."""
    if scene.kind != "scene":
        return Draft("layout", "rows", {}, str(scene.rows), IMAGE_SIDE / scene.rows)
    item = draw_item(random, unique_items(scene))
    if item is None:
        return None
    place = PLACES[item.row * 3 + item.column]
    return Draft("layout", "place", {"name": item.content}, place, item.side)


def ask_identity(scene: Scene, random: Random) -> Draft | None:
    """Ask for the pictogram, or its colour, in one cell of a grid that is small enough to count."""
    item = draw_item(random, [item for item in scene.items if item.content in GLYPHS])
    if item is None or scene.rows > LARGEST_ADDRESSED:
        return None
    slots = {"row": str(item.row + 1), "column": str(item.column + 1)}
    if random.random() < 0.3:
        return Draft("identity", "cell colour", slots, item.colour, item.side)
    return Draft("identity", "cell", slots, item.content, item.side)


def ask_attribute(scene: Scene, random: Random) -> Draft | None:
    """Ask for the colour of a named pictogram or bar."""
    if scene.kind == "chart":
        bar = draw_item(random, [item for item in scene.items if item.content == "bar"])
        if bar is None:
            return None
        return Draft("attribute", "bar colour", {"name": bar.left}, bar.colour, bar.side)
    item = draw_item(random, unique_items(scene))
    if item is None:
        return None
    return Draft("attribute", "colour", {"name": item.content}, item.colour, item.side)


def ask_existence(scene: Scene, random: Random) -> Draft | None:
    """Ask whether a pictogram or a word occurs; yes and no are equally likely."""
    known = GLYPHS if scene.kind in PICTURED else WORDS
    present = [item for item in scene.items if item.content in known]
    # Sorted, because the order of a set changes from run to run.
    absent = sorted(set(known) - {item.content for item in present})
    template = "exists" if scene.kind in PICTURED else "listed"
    if random.random() < 0.5 and absent:
        # To see that something is absent, the smallest item must be recognised.
        side = min(item.side for item in scene.items)
        return Draft("existence", template, {"name": pick(random, absent)}, "no", side)
    item = draw_item(random, present)
    if item is None:
        return None
    return Draft("existence", template, {"name": item.content}, "yes", item.side)


def ask_counting(scene: Scene, random: Random) -> Draft | None:
    """Ask how often a pictogram occurs, from once to as often as the draw counts."""
    counts = Counter(item.content for item in scene.items if item.content in GLYPHS)
    # The number is drawn first, so that each is as frequent as the others.
    possible = sorted({n for n in counts.values() if n <= scene.most_counted})
    if len(possible) < 2:
        return None
    number = pick_number(random, tuple(possible))
    name = pick(random, sorted(name for name, n in counts.items() if n == number))
    side = min(item.side for item in scene.items if item.content == name)
    return Draft("counting", "count", {"name": name}, str(number), side)


def ask_reading(scene: Scene, random: Random) -> Draft | None:
    """Ask for a word by its line, and by its place on it on a page."""
    words = [item for item in scene.items if item.content in WORDS]
    if scene.kind != "page":
        # Lines of a menu with two columns could be either; on others each line has one word.
        words = [item for item in words if item.column <= 0]
        if scene.columns > 1:
            return None
    item = draw_item(random, words)
    if item is None:
        return None
    slots = {"row": str(item.row + 1)}
    if scene.kind != "page":
        return Draft("reading", "entry", slots, item.content, item.side)
    slots["nth"] = ORDINALS[item.column]
    return Draft("reading", "word", slots, item.content, item.side)


def ask_table(scene: Scene, random: Random) -> Draft | None:
    """Ask for a price on a menu."""
    item = draw_item(random, unique_items(scene))
    if item is None:
        return None
    return Draft("table", "price", {"name": item.content}, str(item.value), item.side)


def ask_chart(scene: Scene, random: Random) -> Draft | None:
    """Ask for the value of a bar."""
    item = draw_item(random, unique_items(scene))
    if item is None:
        return None
    return Draft("chart", "bar", {"name": item.content}, str(item.value), item.side)


def ask_relation(scene: Scene, random: Random) -> Draft | None:
    """Ask what is next to a named pictogram in a grid."""
    item = draw_item(random, unique_items(scene))
    side = pick(random, ("left", "right"))
    neighbour = "" if item is None else getattr(item, side)
    # Beyond the edge there is nothing, and unseen pictograms have no name.
    if item is None or neighbour not in GLYPHS:
        return None
    return Draft("relation", "beside", {"name": item.content, "side": side}, neighbour, item.side)


def ask_number(scene: Scene, random: Random) -> Draft | None:
    """Ask for the number beside a named pictogram."""
    item = draw_item(random, unique_items(scene))
    if item is None:
        return None
    return Draft("number", "number", {"name": item.content}, item.number, item.side)


def ask_choice(scene: Scene, random: Random) -> Draft | None:
    """Turn a question about a colour or a price into one with four options and a letter."""
    draft = (ask_table if scene.kind == "menu" else ask_attribute)(scene, random)
    if draft is None:
        return None
    if scene.kind == "menu":
        pool = tuple(str(n) for n in range(1, HIGHEST_VALUE + 1) if str(n) != draft.answer)
    else:
        pool = tuple(name for name in COLOURS if name != draft.answer)
    # Three wrong options and the right one, then all four shuffled.
    options = [*pick_many(random, pool, CHOICES - 1), draft.answer]
    choices = tuple(pick_many(random, tuple(options), CHOICES))
    return Draft("choice", draft.template, draft.slots, draft.answer, draft.item_pixels, choices)


Asker = Callable[[Scene, Random], Draft | None]

FAMILIES: dict[str, Asker] = {
    "gist": ask_gist,
    "layout": ask_layout,
    "identity": ask_identity,
    "attribute": ask_attribute,
    "existence": ask_existence,
    "counting": ask_counting,
    "reading": ask_reading,
    "table": ask_table,
    "chart": ask_chart,
    "relation": ask_relation,
    "number": ask_number,
    "choice": ask_choice,
}

# What is learnt last is more frequent in training.
TRAINING_FACTORS = {"relation": 2.5, "counting": 2.0}


def ask_scene(
    scene: Scene, random: Random, draw: Draw, count: int, training: bool = False
) -> list[Draft]:
    """Draw up to `count` different questions about a scene.

    Args:
        scene: the scene.
        random: source of all choices.
        draw: says how often each family is asked.
        count: how many questions are wanted.
        training: whether they are for training, where hard families are more frequent.

    Returns:
        Different drafts, fewer than `count` where the scene has no more to ask about.
    """
    factors = TRAINING_FACTORS if training else {}
    weights = {f: w * factors.get(f, 1.0) for f, w in draw.family_weights[scene.kind].items()}
    names = list(weights)
    shares = np.array(list(weights.values()))
    drafts: dict[str, Draft] = {}
    # Bounded, because a scene may have fewer questions than are wanted.
    for _ in range(count * TRIES_PER_QUESTION):
        family = names[int(random.choice(len(names), p=shares / shares.sum()))]
        draft = FAMILIES[family](scene, random)
        if draft is not None:
            # The same question is not asked twice.
            drafts.setdefault(f"{draft.family} {draft.template} {draft.slots}", draft)
        if len(drafts) == count:
            break
    return list(drafts.values())


def word_question(draft: Draft, random: Random, held_out: bool = False) -> str:
    """Phrase a draft with a random template, from the held-out ones if asked to."""
    return pick(random, TEMPLATES[draft.template][int(held_out)]).format(**draft.slots)
