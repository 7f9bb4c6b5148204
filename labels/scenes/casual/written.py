"""Facts about scenes of words: pages, menus and charts."""

from collections import Counter, defaultdict
from itertools import combinations, pairwise

from labels.scenes.casual.facts import MOST_ADDED_UP, Facts, Pair, group_items, yes
from labels.scenes.casual.places import ACROSS, CORNERS, DOWN
from labels.scenes.items import Item, Scene
from labels.scenes.measures import HIGHEST_VALUE
from labels.scenes.questions import unique_items
from labels.scenes.vocabulary import IMAGE_SIDE, WORDS

FOODS_ELSEWHERE = (
    "pizza cheese chicken coffee banana wine beer chocolate butter carrot tomato potato onion "
    "burger salad steak melon pear plum peach bacon egg"
).split()


def add_words(facts: Facts, scene: Scene, named: list[Item]) -> None:
    """Tell which words are where."""
    lines: dict[int, list[Item]] = defaultdict(list)
    for item in sorted(named, key=lambda item: (item.row, item.column)):
        lines[item.row].append(item)
    groups = group_items(named, lambda item: item.content)
    for name in (*WORDS, *FOODS_ELSEWHERE):
        facts.add("has word", yes(name in groups), groups.get(name, ()), name=name)
    facts.add("lines", scene.rows)
    first, last = lines[0][0], lines[max(lines)][-1]
    facts.add("first", first.content, [first])
    facts.add("last", last.content, [last])
    add_block(facts, scene.items)
    facts.add("ink", "white" if scene.background == "black" else "black")
    known = {item.content for item in unique_items(scene)}
    add_initials(facts, named, known)
    add_lengths(facts, groups)
    single = all(len(line) == 1 for line in lines.values())
    if single:
        add_column(facts, [line[0] for line in lines.values()], known)
    else:
        add_corners(facts, lines[0], lines[max(lines)])
    if len(named) == 1:
        facts.add("says", named[0].content, named)
    if scene.kind == "page":
        add_page(facts, list(lines.values()), groups)
    elif scene.kind == "menu":
        add_menu(facts, named, known)
    else:
        add_chart(facts, named, [item for item in scene.items if item.content == "bar"])


def add_initials(facts: Facts, named: list[Item], known: set[str]) -> None:
    """Tell which word begins with a letter that no other begins with."""
    initials = Counter(name[0] for name in {item.content for item in named})
    for item in named:
        letter = item.content[0]
        if item.content in known and initials[letter] == 1:
            facts.add("initial", item.content, [item], letter=letter)
        if item.content in known:
            facts.add("letters", len(item.content), [item], name=item.content)


def add_lengths(facts: Facts, groups: dict[str, list[Item]]) -> None:
    """Tell which word is the longest and which the shortest, where it is one alone."""
    lengths = Counter(len(name) for name in groups)
    for kind, length in (("most letters", max(lengths)), ("fewest letters", min(lengths))):
        if len(lengths) > 1 and lengths[length] == 1:
            name = next(name for name in groups if len(name) == length)
            facts.add(kind, name, groups[name])


def add_corners(facts: Facts, first: list[Item], last: list[Item]) -> None:
    """Tell which words are in the corners of what is written in columns."""
    ends = (first[0], first[-1], last[0], last[-1])
    for place, item in zip(CORNERS, ends, strict=True):
        facts.add("word at", item.content, [item], place=place)


def add_column(facts: Facts, column: list[Item], known: set[str]) -> None:
    """Tell the order of single words, each below the one before, by those that are there once."""
    for item in column:
        facts.add("line", item.content, [item], row=item.row + 1)
    add_order(facts, column, known, ("follows", "under"), ("precedes", "over"))
    for above, middle, below in zip(column, column[1:], column[2:], strict=False):
        if {above.content, below.content} <= known:
            ends = {"name": above.content, "other": below.content}
            facts.add("between", middle.content, (above, middle, below), **ends)


def add_order(
    facts: Facts,
    column: list[Item],
    known: set[str],
    down: tuple[str, ...],
    up: tuple[str, ...],
) -> None:
    """Tell which word is below and above another, as facts of these kinds."""
    for above, below in pairwise(column):
        for kinds, asked, answer in ((down, above, below), (up, below, above)):
            for kind in kinds if asked.content in known else ():
                facts.add(kind, answer.content, (asked, answer), name=asked.content)


def add_page(facts: Facts, lines: list[list[Item]], groups: dict[str, list[Item]]) -> None:
    """Tell how many words a page has and in which order, and what each line says."""
    words = [item for line in lines for item in line]
    if len(words) <= MOST_ADDED_UP:
        facts.add("words", len(words), words)
    for name, group in groups.items():
        facts.add_count("times", group, name=name)
    if len(words) == len(lines):
        return  # single words, of which `add_column` tells
    facts.add("columns", len(lines[0]))
    for line in lines:
        text = " ".join(item.content for item in line)
        facts.add("line words", text, line, row=line[0].row + 1)
        facts.add("line start", line[0].content, line[:1], row=line[0].row + 1)
        facts.add("line end", line[-1].content, line[-1:], row=line[0].row + 1)
        for pair in pairwise(line):
            before, after = (item.content for item in pair)
            if len(groups[before]) == 1:
                facts.add("follows", after, pair, name=before)
            if len(groups[after]) == 1:
                facts.add("precedes", before, pair, name=after)


def add_menu(facts: Facts, entries: list[Item], known: set[str]) -> None:
    """Tell and compare the prices of a menu."""
    facts.add("items", len(entries), entries)
    for item in entries:
        facts.add("price", item.value, [item], name=item.content)
        add_limits(facts, item)
    if len(entries) == 1:
        facts.add("digit", entries[0].value, entries)
    for digit in range(1, HIGHEST_VALUE + 1):
        having = [item for item in entries if item.value == digit]
        facts.add("has digit", yes(having), having, price=digit)
    add_pairs(facts, entries)
    add_extremes(facts, entries, "costs", "cheapest", "dearest")
    facts.add_comparisons(ordered_pairs(entries), "is cheaper", "which cheaper")
    columns = [[item for item in entries if item.column == side] for side in (0, 1)]
    for side, column in zip(ACROSS, columns if columns[1] else (), strict=False):
        facts.add("column start", column[0].content, column[:1], side=side)
        facts.add("column end", column[-1].content, column[-1:], side=side)
        add_order(facts, column, known, ("under",), ("over",))


def add_chart(facts: Facts, labels: list[Item], bars: list[Item]) -> None:
    """Tell and compare the bars of a chart."""
    facts.add("bars", len(bars), bars)
    for item in labels:
        facts.add("bar", item.value, [item], name=item.content)
        add_limits(facts, item)
    add_pairs(facts, labels)
    add_extremes(facts, labels, "reaches", "shortest", "longest")
    more = [(more, less) for less, more in ordered_pairs(labels)]
    facts.add_comparisons(more, "is more", "which more")
    for bar in bars:
        facts.add("bar colour", bar.colour, [bar], name=bar.left)
    colours = group_items(bars, lambda bar: bar.colour)
    facts.add_colours(colours, "has coloured bar", "coloured bars", "coloured bar", "left")


def add_limits(facts: Facts, item: Item) -> None:
    """Compare the value of a word with numbers."""
    for price in range(1, HIGHEST_VALUE + 1):
        if price != item.value:
            facts.add("over price", yes(item.value > price), [item], name=item.content, price=price)


def add_pairs(facts: Facts, items: list[Item]) -> None:
    """Tell of pairs of words whether they have the same value, what lies between, and the sum."""
    counts = Counter(item.value for item in items)
    for one, other in combinations(items, 2):
        both = (one, other)
        same = one.value == other.value
        if same and counts[one.value] == 2:
            facts.add("equal", other.content, both, name=one.content)
            facts.add("equal", one.content, both, name=other.content)
        names = {"name": one.content, "other": other.content}
        facts.add("same value", yes(same), both, **names)
        facts.add("together", one.value + other.value, both, **names)
        less, more = sorted(both, key=lambda item: item.value)
        names = {"name": more.content, "other": less.content}
        facts.add("difference", more.value - less.value, both, **names)


def add_block(facts: Facts, items: tuple[Item, ...]) -> None:
    """Tell on which side of the picture everything lies, where that is clear."""
    for axis, kind, low, high in ((0, "text side", *ACROSS), (1, "text height", *DOWN)):
        start = min(item.box[axis] for item in items)
        end = max(item.box[axis + 2] for item in items)
        for side, other, holds in (
            (low, high, end < IMAGE_SIDE / 2),
            (high, low, start > IMAGE_SIDE / 2),
        ):
            if holds:
                facts.add(kind, side, name=side, options=side, other=other)


def add_extremes(facts: Facts, items: list[Item], whose: str, least: str, most: str) -> None:
    """Tell which word has a value that no other has, the least and the greatest among them."""
    counts = Counter(item.value for item in items)
    for item in items:
        if counts[item.value] == 1:
            facts.add(whose, item.content, [item], price=item.value)
            if len(items) > 1 and item.value == min(counts):
                facts.add(least, item.content, [item])
            if len(items) > 1 and item.value == max(counts):
                facts.add(most, item.content, [item])


def ordered_pairs(items: list[Item]) -> list[Pair]:
    """Pair words of different values, that of the smaller first."""
    pairs = pairwise(sorted(items, key=lambda item: item.content))
    ordered = [sorted(pair, key=lambda item: item.value) for pair in pairs]
    return [
        ((less.content, less), (more.content, more))
        for less, more in ordered
        if less.value < more.value
    ]
