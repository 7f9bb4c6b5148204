"""Where things of a free scene lie and how large they are, as an eye tells it without measuring."""

from itertools import pairwise

from labels.scenes.casual.facts import Called, Facts, group_items, yes
from labels.scenes.items import Item
from labels.scenes.vocabulary import IMAGE_SIDE

# What is nearer to the middle than this is on neither side [shares of the canvas].
LOW, HIGH = 0.42, 0.58
# Sizes that differ by less are not compared.
CLEARLY = 1.25
# What is farther away is not next to a thing, and of two about as near neither is [pixels].
NEAR = IMAGE_SIDE / 4
NEARER = IMAGE_SIDE / 24

ACROSS, DOWN = ("left", "right"), ("top", "bottom")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
# Kind of fact -> axis, 0 across and 1 down, and whether what follows is meant.
DIRECTIONS = {"after": (0, True), "before": (0, False), "below": (1, True), "above": (1, False)}


def centre(item: Item, axis: int) -> float:
    """Return where the middle of a thing is, as a share of the canvas."""
    return (item.box[axis] + item.box[axis + 2]) / 2 / IMAGE_SIDE


def name_side(item: Item, axis: int) -> str:
    """Name the half of the canvas in which a thing lies, or neither."""
    place = centre(item, axis)
    low, high = (ACROSS, DOWN)[axis]
    return low if place < LOW else high if place > HIGH else ""


def add_directions(facts: Facts, called: list[Called]) -> None:
    """Tell of two things which is farther left, and which is farther up."""
    for (name, item), (other, second) in pairwise(called):
        for axis, kind in enumerate(("is left", "is above")):
            apart = centre(second, axis) - centre(item, axis)
            if abs(apart) > HIGH - LOW:
                both = (item, second)
                facts.add(kind, yes(apart > 0), both, name=name, other=other)
                facts.add(kind, yes(apart < 0), both, name=other, other=name)


def add_sides(facts: Facts, called: list[Called]) -> None:
    """Tell on which side things are, and in which corner."""
    for name, item in called:
        sides = [name_side(item, 0), name_side(item, 1)]
        for kind, side, names in zip(("side", "height"), sides, (ACROSS, DOWN), strict=True):
            if side:
                other = names[side == names[0]]
                facts.add(kind, side, [item], name=name, options=side, other=other)
        across, down = sides
        corner = f"{down} {across}"
        for other in CORNERS if corner in CORNERS else ():
            if other != corner:
                facts.add("corner", corner, [item], name=name, options=corner, other=other)


def add_sizes(facts: Facts, named: list[Item], called: list[Called]) -> None:
    """Tell what is largest and smallest, where that is clear."""
    groups = group_items(named, lambda item: item.content)
    for kind, larger in (("biggest", True), ("smallest", False)):
        first = find_extreme(named, larger)
        if first:
            facts.add(kind, first.content, [first])
            facts.add(f"{kind} colour", first.colour, [first], name="thing")
        for name, group in groups.items():
            of_its_name = find_extreme(group, larger)
            if of_its_name:
                facts.add(f"{kind} colour", of_its_name.colour, [of_its_name], name=name)
    ordered = [sorted(pair, key=lambda one: -one[1].side) for pair in pairwise(called)]
    pairs = [(one, other) for one, other in ordered if one[1].side >= CLEARLY * other[1].side]
    facts.add_comparisons(pairs, "is bigger", "which bigger")


def find_extreme(items: list[Item], larger: bool) -> Item | None:
    """Find what is clearly the largest, or the smallest, of at least two."""
    first, *others = sorted(items, key=lambda item: item.side, reverse=larger)
    if not others:
        return None
    small, large = sorted((first.side, others[0].side))
    return first if large >= CLEARLY * small else None


def find_neighbours(item: Item, items: tuple[Item, ...]) -> dict[str, Item]:
    """Find what is next to a thing in each direction, where nothing else is about as near."""
    found = {}
    for kind, (axis, later) in DIRECTIONS.items():
        gaps = []
        for other in items:
            crossing = min(item.box[3 - axis], other.box[3 - axis]) - max(
                item.box[1 - axis], other.box[1 - axis]
            )
            before, after = (item, other) if later else (other, item)
            gap = after.box[axis] - before.box[axis + 2]
            # Beside each other for most of the smaller one's extent.
            if other is not item and gap >= 0 and crossing > min(item.side, other.side) / 2:
                gaps.append((gap, other))
        gaps.sort(key=lambda pair: pair[0])
        if gaps and gaps[0][0] <= NEAR and (len(gaps) == 1 or gaps[1][0] - gaps[0][0] > NEARER):
            found[kind] = gaps[0][1]
    return found
