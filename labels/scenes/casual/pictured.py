"""Facts about scenes of pictograms: grids, free scenes and lists of numbers."""

from collections import Counter
from itertools import pairwise, permutations, product

from labels.scenes.casual.facts import MOST_ADDED_UP, MOST_COUNTED, Called, Facts, group_items, yes
from labels.scenes.casual.known import add_known
from labels.scenes.casual.places import (
    CORNERS,
    add_directions,
    add_sides,
    add_sizes,
    find_neighbours,
)
from labels.scenes.items import Item, Scene
from labels.scenes.measures import NUMBER_DIGITS
from labels.scenes.questions import LARGEST_ADDRESSED, unique_items
from labels.scenes.vocabulary import COLOURS, GLYPHS, IMAGE_SIDE, PLACES

STEPS = {"after": (0, 1), "before": (0, -1), "above": (-1, 0), "below": (1, 0)}
# How the colour beside a thing is asked for.
SIDES = {"after": "right of", "before": "left of", "above": "above", "below": "below"}
Cells = dict[tuple[int, int], Item]

SMALLEST_PLACED = IMAGE_SIDE / 24

# What people ask for and no scene shows.
ELSEWHERE = (
    "dog cat car tree house person bird boat ball chair sun door cup clock "
    "key fruit leaf bike ring hand arrow cow bus lamp shoe"
).split()


def add_pictured(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell what things there are, and where."""
    groups = group_items(named, lambda item: item.content)
    add_things(facts, groups, named)
    add_coloured(facts, named)
    add_known(facts, groups)
    for item in unique_items(scene):
        add_colour(facts, item)
    for one, other in pairwise(unique_items(scene)):
        same = yes(one.colour == other.colour)
        facts.add("same colour", same, (one, other), name=one.content, other=other.content)
    called = call_things(named)
    {"grid": add_grid, "scene": add_places, "list": add_numbers}[scene.kind](
        facts, scene, named, called
    )


def call_things(named: list[Item]) -> list[Called]:
    """Name the things that a name, or a colour and a name, tells from all others."""
    names = Counter(item.content for item in named)
    coloured = Counter((item.content, item.colour) for item in named)
    called = [(item.content, item) for item in named if names[item.content] == 1]
    return called + [
        (f"{item.colour} {item.content}", item)
        for item in named
        if coloured[item.content, item.colour] == 1
    ]


def add_things(facts: Facts, groups: dict[str, list[Item]], named: list[Item]) -> None:
    """Tell how many things there are, of each name and over all."""
    for name in (*GLYPHS, *ELSEWHERE):
        facts.add("has", yes(name in groups), groups.get(name, ()), name=name)
        if name not in groups:
            facts.add("none", 0, name=name)
    for name, group in groups.items():
        facts.add_count("count", group, name=name)
    if len(groups) <= MOST_COUNTED:
        facts.add("kinds", len(groups), named)
    if len(named) <= MOST_ADDED_UP:
        facts.add("total", len(named), named)
    if len(named) == 1:
        facts.add("single", named[0].content, named)
    add_majorities(facts, groups)


def add_majorities(facts: Facts, groups: dict[str, list[Item]]) -> None:
    """Tell of two names which there are more of, and of which most."""
    for one, other in permutations(sorted(groups), 2):
        first, second = groups[one], groups[other]
        if len(first) != len(second):
            more = yes(len(first) > len(second))
            facts.add("are more", more, first + second, name=one, other=other)
            if one < other:
                most = max(first, second, key=len)[0].content
                facts.add("more of", most, first + second, name=one, other=other)
    ranked = sorted(groups.values(), key=len, reverse=True)
    if len(ranked) > 1 and len(ranked[0]) > len(ranked[1]):
        facts.add("most", ranked[0][0].content, ranked[0])


def add_coloured(facts: Facts, named: list[Item]) -> None:
    """Tell how many things of a colour there are."""
    coloured = group_items(named, lambda item: (item.content, item.colour))
    for name, colour in product(sorted({item.content for item in named}), COLOURS):
        group = coloured.get((name, colour), [])
        facts.add("has coloured", yes(group), group, name=name, colour=colour)
        if group:
            facts.add_count("coloured count", group, name=name, colour=colour)
    colours = group_items(named, lambda item: item.colour)
    facts.add("colours", len(colours), named)
    facts.add_colours(colours, "has colour", "colour count", "only", "content")


def add_colour(facts: Facts, item: Item) -> None:
    """Tell the colour of a thing that is there once."""
    name = item.content
    facts.add("colour", item.colour, [item], name=name)
    facts.add("is colour", "yes", [item], name=name, colour=item.colour)
    for colour in COLOURS:
        if colour != item.colour:
            facts.add("is colour", "no", [item], name=name, colour=colour)
            options = {"options": item.colour, "other": colour}
            facts.add("either colour", item.colour, [item], name=name, **options)


def fill_cells(named: list[Item]) -> Cells:
    """Tell what is in each cell."""
    return {(item.row, item.column): item for item in named}


def add_steps(facts: Facts, cells: Cells, called: list[Called], kinds: tuple[str, ...]) -> None:
    """Tell what is in the cells beside a thing."""
    for (name, item), kind in product(called, kinds):
        down, right = STEPS[kind]
        beside = cells.get((item.row + down, item.column + right))
        if beside:
            add_beside(facts, kind, name, item, beside)


def add_beside(facts: Facts, kind: str, name: str, item: Item, beside: Item) -> None:
    """Tell what is in a direction from a thing, and its colour."""
    facts.add(kind, beside.content, (item, beside), name=name)
    facts.add("colour beside", beside.colour, (item, beside), name=name, where=SIDES[kind])


def add_at(facts: Facts, place: str, item: Item) -> None:
    """Tell what is at a place, and its colour."""
    facts.add("at", item.content, [item], place=place)
    facts.add("colour at", item.colour, [item], name=item.content, place=place)


def add_grid(facts: Facts, scene: Scene, named: list[Item], called: list[Called]) -> None:
    """Tell what is where in a grid."""
    cells = fill_cells(named)
    add_steps(facts, cells, called, tuple(STEPS))
    add_sides(facts, called)
    add_directions(facts, called)
    facts.add("columns", scene.columns)
    facts.add("lines", scene.rows)
    if scene.rows > 1:
        add_edges(facts, scene.rows - 1, cells)


def add_edges(facts: Facts, end: int, cells: Cells) -> None:
    """Tell what is in the corners and in the middle, and where rows begin and end."""
    places = dict(zip(CORNERS, product((0, end), repeat=2), strict=True))
    if end % 2 == 0:
        places["middle"] = (end // 2, end // 2)
    for place, cell in places.items():
        if cell in cells:
            add_at(facts, place, cells[cell])
    for row in range(min(end + 1, LARGEST_ADDRESSED)):
        for kind, column in (("row start", 0), ("row end", end)):
            if (row, column) in cells:
                item = cells[row, column]
                facts.add(kind, item.content, [item], row=row + 1)


def add_places(facts: Facts, scene: Scene, named: list[Item], called: list[Called]) -> None:
    """Tell what is where in a free scene, and how large."""
    for name, item in called:
        facts.add("where", PLACES[item.row * 3 + item.column], [item], name=name)
        for kind, other in find_neighbours(item, scene.items).items():
            if other in named:
                add_beside(facts, kind, name, item, other)
    ninths = Counter((item.row, item.column) for item in scene.items)
    for item in named:
        if ninths[item.row, item.column] == 1 and item.side >= SMALLEST_PLACED:
            add_at(facts, PLACES[item.row * 3 + item.column], item)
    add_sides(facts, called)
    add_directions(facts, called)
    add_sizes(facts, named, called)


def add_numbers(facts: Facts, scene: Scene, named: list[Item], called: list[Called]) -> None:
    """Tell the numbers of a list."""
    facts.add("digits", NUMBER_DIGITS)
    facts.add("columns", scene.columns)
    digits = {item: find_digits(scene, item) for item in named}
    for name, item in called:
        facts.add("number", item.number, digits[item], name=name)
        facts.add("first digit", item.number[0], digits[item][:1], name=name)
        facts.add("last digit", item.number[-1], digits[item][-1:], name=name)
    numbers = {item.number for item in named}
    for item in named:
        line = (item, *digits[item])
        facts.add("whose", item.content, line, number=item.number)
        facts.add("number colour", item.colour, line, number=item.number)
        facts.add("has number", "yes", line, number=item.number)
        if item.number[::-1] not in numbers:
            facts.add("has number", "no", number=item.number[::-1])
        if scene.columns == 1:
            facts.add("at line", item.content, [item], row=item.row + 1)
            facts.add("line number", item.number, digits[item], row=item.row + 1)
    add_steps(facts, fill_cells(named), called, ("above", "below"))
    facts.add("lines", scene.rows)


def find_digits(scene: Scene, item: Item) -> tuple[Item, ...]:
    """Find the digits of a thing in a list: they follow it."""
    start = scene.items.index(item) + 1
    return scene.items[start : start + len(item.number)]
