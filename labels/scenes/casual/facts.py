"""What there is to be asked about a scene, beyond what the benchmark asks: facts by their kind."""

from collections import Counter, defaultdict
from itertools import pairwise, product

from labels.scenes.items import Item, Scene
from labels.scenes.questions import LARGEST_ADDRESSED, unique_items
from labels.scenes.vocabulary import COLOURS, GLYPHS, IMAGE_SIDE, KINDS, PLACES, WORDS

MOST_COUNTED = 9
MOST_ADDED_UP = 12
STEPS = {"after": (0, 1), "before": (0, -1), "above": (-1, 0), "below": (1, 0)}
SMALLEST_PLACED = IMAGE_SIDE / 24

# What people ask for and no scene shows.
ELSEWHERE = (
    "dog cat car tree house person bird boat ball chair sun door cup clock "
    "key fruit leaf bike ring hand arrow cow bus lamp shoe"
).split()
FOODS_ELSEWHERE = (
    "pizza cheese chicken coffee banana wine beer chocolate butter carrot tomato potato onion "
    "burger salad steak melon pear plum peach bacon egg"
).split()

Slots = dict[str, str]


class Facts:
    """Facts by their kind and answer, so that each kind and each answer is as likely to be asked.

    Attributes:
        told: kind -> answer -> what fills the phrases of the kind.
    """

    def __init__(self) -> None:
        self.told: dict[str, dict[str, list[Slots]]] = defaultdict(lambda: defaultdict(list))

    def add(self, kind: str, answer: str | int, **slots: str | int) -> None:
        """Note a fact."""
        self.told[kind][str(answer)].append({key: str(value) for key, value in slots.items()})

    def add_number(self, kind: str, number: int, **slots: str) -> None:
        """Note how many there are, if they can still be counted."""
        if number <= MOST_COUNTED:
            self.add(kind, number, **slots)


def find_facts(scene: Scene) -> Facts:
    """List what can be asked about a scene."""
    facts = Facts()
    if scene.nameable:
        facts.add("background", scene.background)
    for other in KINDS:
        if other != scene.kind:
            facts.add("kind", scene.kind, name=scene.kind, other=other)
    named = [item for item in scene.items if item.content in (*GLYPHS, *WORDS)]
    if scene.kind in ("grid", "scene", "list"):
        add_things(facts, scene, named)
        {"grid": add_grid, "scene": add_places, "list": add_numbers}[scene.kind](
            facts, scene, named
        )
    else:
        add_words(facts, scene, named)
    return facts


def add_things(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell how many things there are, and of which colour."""
    counts = Counter(item.content for item in named)
    for name in (*GLYPHS, *ELSEWHERE):
        facts.add("has", yes(name in counts), name=name)
    for name, number in counts.items():
        facts.add_number("count", number, name=name)
    if len(named) <= MOST_ADDED_UP:
        facts.add("total", len(named))
    ranked = counts.most_common(2)
    if len(ranked) == 2 and ranked[0][1] > ranked[1][1]:
        facts.add("most", ranked[0][0])
    add_colours(facts, named)
    for item in unique_items(scene):
        add_colour(facts, item)


def add_colours(facts: Facts, named: list[Item]) -> None:
    """Tell how many things of a colour there are."""
    coloured = Counter((item.content, item.colour) for item in named)
    for name, colour in product(sorted({item.content for item in named}), COLOURS):
        number = coloured[name, colour]
        facts.add("has coloured", yes(number), name=name, colour=colour)
        if number:
            facts.add_number("coloured count", number, name=name, colour=colour)
    colours = Counter(item.colour for item in named)
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


def yes(holds: object) -> str:
    """Answer yes or no."""
    return "yes" if holds else "no"


def add_grid(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell what is where in a grid."""
    cells = {(item.row, item.column): item.content for item in named}
    for item in unique_items(scene):
        for kind, (down, right) in STEPS.items():
            other = cells.get((item.row + down, item.column + right))
            if other is not None:
                facts.add(kind, other, name=item.content)
    facts.add("columns", scene.columns)
    facts.add("lines", scene.rows)
    if scene.rows > 1:
        add_edges(facts, scene.rows - 1, cells)


def add_edges(facts: Facts, end: int, cells: dict[tuple[int, int], str]) -> None:
    """Tell what is in the corners and in the middle, and where rows begin and end."""
    places = {"top left": (0, 0), "top right": (0, end)}
    places |= {"bottom left": (end, 0), "bottom right": (end, end)}
    if end % 2 == 0:
        places["middle"] = (end // 2, end // 2)
    for place, cell in places.items():
        if cell in cells:
            facts.add("at", cells[cell], place=place)
    for row in range(min(end + 1, LARGEST_ADDRESSED)):
        for kind, column in (("row start", 0), ("row end", end)):
            if (row, column) in cells:
                facts.add(kind, cells[row, column], row=row + 1)


def add_places(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell what is where in a free scene."""
    for item in unique_items(scene):
        facts.add("where", PLACES[item.row * 3 + item.column], name=item.content)
    ninths = Counter((item.row, item.column) for item in scene.items)
    for item in named:
        if ninths[item.row, item.column] == 1 and item.side >= SMALLEST_PLACED:
            facts.add("at", item.content, place=PLACES[item.row * 3 + item.column])


def add_numbers(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell the numbers of a list."""
    for item in unique_items(scene):
        facts.add("number", item.number, name=item.content)
        facts.add("first digit", item.number[0], name=item.content)
        facts.add("last digit", item.number[-1], name=item.content)
    for item in named:
        facts.add("whose", item.content, number=item.number)
        if scene.columns == 1:
            facts.add("at line", item.content, row=item.row + 1)
            facts.add("line number", item.number, row=item.row + 1)
    facts.add("lines", scene.rows)


def add_words(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell which words are where."""
    lines: dict[int, list[Item]] = defaultdict(list)
    for item in sorted(named, key=lambda item: (item.row, item.column)):
        lines[item.row].append(item)
    present = {item.content for item in named}
    for name in (*WORDS, *FOODS_ELSEWHERE):
        facts.add("has word", yes(name in present), name=name)
    facts.add("lines", scene.rows)
    facts.add("first", lines[0][0].content)
    facts.add("last", lines[max(lines)][-1].content)
    single = all(len(line) == 1 for line in lines.values())
    if single:
        known = {item.content for item in unique_items(scene)}
        add_column(facts, [line[0] for line in lines.values()], known)
    if len(named) == 1:
        facts.add("says", named[0].content)
    if scene.kind == "page":
        add_page(facts, list(lines.values()), single)
    elif scene.kind == "menu":
        add_menu(facts, named)
    else:
        add_chart(facts, named, [item for item in scene.items if item.content == "bar"])


def add_column(facts: Facts, column: list[Item], known: set[str]) -> None:
    """Tell the order of single words, each below the one before, by those that are there once."""
    for item in column:
        facts.add("line", item.content, row=item.row + 1)
    for above, below in pairwise(column):
        for kinds, asked, answer in (
            (("follows", "under"), above, below),
            (("precedes", "over"), below, above),
        ):
            if asked.content in known:
                for kind in kinds:
                    facts.add(kind, answer.content, name=asked.content)
    for above, middle, below in zip(column, column[1:], column[2:], strict=False):
        if {above.content, below.content} <= known:
            facts.add("between", middle.content, name=above.content, other=below.content)


def add_page(facts: Facts, lines: list[list[Item]], single: bool) -> None:
    """Tell how many words a page has and in which order."""
    counts = Counter(item.content for line in lines for item in line)
    if counts.total() <= MOST_ADDED_UP:
        facts.add("words", counts.total())
    for name, number in counts.items():
        facts.add_number("times", number, name=name)
    if single:
        return
    for line in lines:
        facts.add("line start", line[0].content, row=line[0].row + 1)
        facts.add("line end", line[-1].content, row=line[0].row + 1)
        for item, after in pairwise(item.content for item in line):
            if counts[item] == 1:
                facts.add("follows", after, name=item)
            if counts[after] == 1:
                facts.add("precedes", item, name=after)


def add_menu(facts: Facts, entries: list[Item]) -> None:
    """Tell and compare the prices of a menu."""
    facts.add("items", len(entries))
    for item in entries:
        facts.add("price", item.value, name=item.content)
    add_extremes(facts, entries, "costs", "cheapest", "dearest")
    add_comparisons(facts, ordered_pairs(entries), "is cheaper", "which cheaper")


def add_chart(facts: Facts, labels: list[Item], bars: list[Item]) -> None:
    """Tell and compare the bars of a chart."""
    facts.add("bars", len(bars))
    for item in labels:
        facts.add("bar", item.value, name=item.content)
    add_extremes(facts, labels, "reaches", "shortest", "longest")
    more = [(more, less) for less, more in ordered_pairs(labels)]
    add_comparisons(facts, more, "is more", "which more")
    colours = Counter(bar.colour for bar in bars)
    for bar in bars:
        facts.add("bar colour", bar.colour, name=bar.left)
        if colours[bar.colour] == 1:
            facts.add("coloured bar", bar.left, colour=bar.colour)


def add_extremes(facts: Facts, items: list[Item], whose: str, least: str, most: str) -> None:
    """Tell which word has a value that no other has, the least and the greatest among them."""
    counts = Counter(item.value for item in items)
    for item in items:
        if counts[item.value] == 1:
            facts.add(whose, item.content, price=item.value)
            if len(items) > 1 and item.value == min(counts):
                facts.add(least, item.content)
            if len(items) > 1 and item.value == max(counts):
                facts.add(most, item.content)


def add_comparisons(facts: Facts, pairs: list[tuple[str, str]], compared: str, which: str) -> None:
    """Tell of pairs of words that the first is what is asked for and the second is not."""
    for one, other in pairs:
        facts.add(compared, "yes", name=one, other=other)
        facts.add(compared, "no", name=other, other=one)
        facts.add(which, one, options=one, other=other)


def ordered_pairs(items: list[Item]) -> list[tuple[str, str]]:
    """Pair words of different values, that of the smaller first."""
    pairs = pairwise(sorted(items, key=lambda item: item.content))
    ordered = [sorted(pair, key=lambda item: item.value) for pair in pairs]
    return [(less.content, more.content) for less, more in ordered if less.value < more.value]
