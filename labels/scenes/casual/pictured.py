"""Facts about scenes of pictograms: grids, free scenes and lists of numbers."""

from collections import Counter
from itertools import combinations, pairwise, product

from labels.scenes.casual.facts import MOST_ADDED_UP, Facts, yes
from labels.scenes.casual.places import (
    CORNERS,
    add_directions,
    add_sides,
    add_sizes,
    find_neighbours,
)
from labels.scenes.items import Item, Scene
from labels.scenes.questions import LARGEST_ADDRESSED, unique_items
from labels.scenes.vocabulary import COLOURS, GLYPHS, IMAGE_SIDE, PLACES

STEPS = {"after": (0, 1), "before": (0, -1), "above": (-1, 0), "below": (1, 0)}
Cells = dict[tuple[int, int], str]

SMALLEST_PLACED = IMAGE_SIDE / 24

# What people ask for and no scene shows.
ELSEWHERE = (
    "dog cat car tree house person bird boat ball chair sun door cup clock "
    "key fruit leaf bike ring hand arrow cow bus lamp shoe"
).split()


def add_pictured(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell what things there are, and where."""
    add_things(facts, scene, named)
    add_coloured(facts, named)
    for item in unique_items(scene):
        add_colour(facts, item)
    for one, other in pairwise(unique_items(scene)):
        same = yes(one.colour == other.colour)
        facts.add("same colour", same, name=one.content, other=other.content)
    called = call_things(named)
    {"grid": add_grid, "scene": add_places, "list": add_numbers}[scene.kind](
        facts, scene, named, called
    )


def call_things(named: list[Item]) -> list[tuple[str, Item]]:
    """Name the things that a name, or a colour and a name, tells from all others."""
    names = Counter(item.content for item in named)
    coloured = Counter((item.content, item.colour) for item in named)
    called = [(item.content, item) for item in named if names[item.content] == 1]
    return called + [
        (f"{item.colour} {item.content}", item)
        for item in named
        if coloured[item.content, item.colour] == 1
    ]


def add_things(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell how many things there are."""
    counts = Counter(item.content for item in named)
    for name in (*GLYPHS, *ELSEWHERE):
        facts.add("has", yes(name in counts), name=name)
    for name, number in counts.items():
        facts.add_number("count", number, name=name)
    facts.add_number("kinds", len(counts))
    if len(named) <= MOST_ADDED_UP:
        facts.add("total", len(named))
    if len(named) == 1:
        facts.add("single", named[0].content)
    for one, other in combinations(sorted(counts), 2):
        if counts[one] != counts[other]:
            facts.add("are more", yes(counts[one] > counts[other]), name=one, other=other)
            facts.add("are more", yes(counts[other] > counts[one]), name=other, other=one)
    ranked = counts.most_common(2)
    if len(ranked) == 2 and ranked[0][1] > ranked[1][1]:
        facts.add("most", ranked[0][0])


def add_coloured(facts: Facts, named: list[Item]) -> None:
    """Tell how many things of a colour there are."""
    coloured = Counter((item.content, item.colour) for item in named)
    for name, colour in product(sorted({item.content for item in named}), COLOURS):
        number = coloured[name, colour]
        facts.add("has coloured", yes(number), name=name, colour=colour)
        if number:
            facts.add_number("coloured count", number, name=name, colour=colour)
    colours = Counter(item.colour for item in named)
    facts.add("colours", len(colours))
    for colour in COLOURS:
        facts.add("has colour", yes(colours[colour]), colour=colour)
        if colours[colour]:
            facts.add_number("colour count", colours[colour], colour=colour)
    for item in named:
        if colours[item.colour] == 1:
            facts.add("only", item.content, colour=item.colour)


def add_colour(facts: Facts, item: Item) -> None:
    """Tell the colour of a thing that is there once."""
    name = item.content
    facts.add("colour", item.colour, name=name)
    facts.add("is colour", "yes", name=name, colour=item.colour)
    for colour in COLOURS:
        if colour != item.colour:
            facts.add("is colour", "no", name=name, colour=colour)
            facts.add("either colour", item.colour, name=name, options=item.colour, other=colour)


def fill_cells(named: list[Item]) -> Cells:
    """Tell what is in each cell."""
    return {(item.row, item.column): item.content for item in named}


def add_steps(
    facts: Facts, cells: Cells, called: list[tuple[str, Item]], kinds: tuple[str, ...]
) -> None:
    """Tell what is in the cells beside a thing."""
    for (name, item), kind in product(called, kinds):
        down, right = STEPS[kind]
        if (item.row + down, item.column + right) in cells:
            facts.add(kind, cells[item.row + down, item.column + right], name=name)


def add_grid(facts: Facts, scene: Scene, named: list[Item], called: list[tuple[str, Item]]) -> None:
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
            facts.add("at", cells[cell], place=place)
    for row in range(min(end + 1, LARGEST_ADDRESSED)):
        for kind, column in (("row start", 0), ("row end", end)):
            if (row, column) in cells:
                facts.add(kind, cells[row, column], row=row + 1)


def add_places(
    facts: Facts, scene: Scene, named: list[Item], called: list[tuple[str, Item]]
) -> None:
    """Tell what is where in a free scene, and how large."""
    for name, item in called:
        facts.add("where", PLACES[item.row * 3 + item.column], name=name)
        for kind, other in find_neighbours(item, scene.items).items():
            if other in named:
                facts.add(kind, other.content, name=name)
    ninths = Counter((item.row, item.column) for item in scene.items)
    for item in named:
        if ninths[item.row, item.column] == 1 and item.side >= SMALLEST_PLACED:
            facts.add("at", item.content, place=PLACES[item.row * 3 + item.column])
    add_sides(facts, called)
    add_directions(facts, called)
    add_sizes(facts, named, called)


def add_numbers(
    facts: Facts, scene: Scene, named: list[Item], called: list[tuple[str, Item]]
) -> None:
    """Tell the numbers of a list."""
    for name, item in called:
        facts.add("number", item.number, name=name)
        facts.add("first digit", item.number[0], name=name)
        facts.add("last digit", item.number[-1], name=name)
    numbers = {item.number for item in named}
    for item in named:
        facts.add("whose", item.content, number=item.number)
        facts.add("number colour", item.colour, number=item.number)
        facts.add("has number", "yes", number=item.number)
        if item.number[::-1] not in numbers:
            facts.add("has number", "no", number=item.number[::-1])
        if scene.columns == 1:
            facts.add("at line", item.content, row=item.row + 1)
            facts.add("line number", item.number, row=item.row + 1)
    add_steps(facts, fill_cells(named), called, ("above", "below"))
    facts.add("lines", scene.rows)
