"""Sides, corners, sizes and neighbours are told where an eye can tell them, and only there."""

import pytest

from labels.scenes.casual.finding import find_facts
from labels.scenes.items import Item, Scene


def put(name, box, colour="red", row=0, column=0):
    return Item(name, name, box, colour, row, column)


def told(*items):
    return find_facts(Scene("scene", "white", tuple(items), 3, 3, "font")).told


def answers(facts, kind, **slots):
    return {
        a for a, ways in facts[kind].items() for way in ways if slots.items() <= way.slots.items()
    }


FLAG = put("flag", (10.0, 10.0, 40.0, 40.0))


def test_sides_and_corners_are_told_of_what_is_not_in_the_middle():
    facts = told(FLAG, put("moon", (80.0, 150.0, 110.0, 180.0), row=2, column=1))
    assert answers(facts, "side", name="flag") == {"left"}
    assert answers(facts, "height", name="flag") == {"top"}
    assert answers(facts, "corner", name="flag") == {"top left"}
    assert answers(facts, "height", name="moon") == {"bottom"}
    assert not answers(facts, "side", name="moon")  # neither left nor right
    assert not answers(facts, "corner", name="moon")
    assert answers(facts, "is left", name="flag", other="moon") == {"yes"}
    assert answers(facts, "is above", name="moon", other="flag") == {"no"}


@pytest.mark.parametrize(("side", "compared"), [(60.0, True), (33.0, False)])
def test_sizes_are_compared_where_they_clearly_differ(side, compared):
    facts = told(FLAG, put("moon", (100.0, 100.0, 100.0 + side, 100.0 + side), "blue"))
    assert answers(facts, "biggest") == ({"moon"} if compared else set())
    assert answers(facts, "smallest colour", name="thing") == ({"red"} if compared else set())
    assert answers(facts, "is bigger", name="moon", other="flag") == (
        {"yes"} if compared else set()
    )


def test_among_several_of_a_name_the_largest_has_a_colour():
    facts = told(FLAG, put("flag", (100.0, 100.0, 180.0, 180.0), "blue", 2, 2))
    assert answers(facts, "biggest colour", name="flag") == {"blue"}
    assert answers(facts, "where", name="blue flag") == {"bottom right"}
    assert not answers(facts, "where", name="flag")  # which of the two


def test_the_nearest_in_a_direction_is_the_neighbour_unless_another_is_about_as_near():
    right = put("moon", (50.0, 12.0, 80.0, 38.0), column=1)
    far = put("star", (12.0, 150.0, 38.0, 180.0), row=2)
    facts = told(FLAG, right, far)
    assert answers(facts, "after", name="flag") == {"moon"}
    assert answers(facts, "before", name="moon") == {"flag"}
    assert not answers(facts, "below", name="flag")  # too far down
    near = told(FLAG, put("moon", (50.0, 0.0, 65.0, 24.0)), put("star", (52.0, 26.0, 70.0, 48.0)))
    assert not answers(near, "after", name="flag")  # the one as much as the other
