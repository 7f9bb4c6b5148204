"""Facts that no picture shows and everybody knows: what things are for, how many sides."""

from labels.scenes.casual.facts import Facts
from labels.scenes.items import Item

SIDES = {"triangle": 3, "square": 4}

USES = {
    "umbrella": ("stay dry", "stay dry in the rain", "keep off the rain"),
    "phone": ("call somebody", "call my mum", "make a call", "ring a friend"),
    "plane": ("fly", "fly somewhere", "travel by air", "go on a holiday"),
    "letter": ("send by post", "write to a friend", "put in a mailbox"),
    "note": ("sing", "make music", "play a song"),
    "anchor": ("hold a ship", "stop a boat", "keep a boat in place"),
    "flag": ("wave", "stand for a country"),
    "horse": ("play chess", "ride"),
    "heart": ("show love", "tell somebody I love them"),
}


def add_known(facts: Facts, groups: dict[str, list[Item]]) -> None:
    """Tell what the things that are there are for, and how many sides a shape has."""
    for name, group in groups.items():
        for use in USES.get(name, ()):
            facts.add("useful", name, group, use=use)
        if name in SIDES:
            facts.add("sides", SIDES[name], group, name=name)
            if len(groups) == len(group) == 1:
                facts.add("sides", SIDES[name], group, name="shape")
