"""Finds what there is to be asked about a scene, beyond what the benchmark asks."""

from labels.scenes.casual.facts import Facts
from labels.scenes.casual.pictured import add_pictured
from labels.scenes.casual.written import add_words
from labels.scenes.items import Scene
from labels.scenes.questions import PICTURED
from labels.scenes.vocabulary import GLYPHS, KINDS, WORDS


def find_facts(scene: Scene) -> Facts:
    """List what can be asked about a scene."""
    facts = Facts()
    if scene.nameable:
        facts.add("background", scene.background)
        facts.add("shade", "dark" if scene.background == "black" else "light")
    for other in KINDS:
        if other != scene.kind:
            facts.add("kind", scene.kind, name=scene.kind, other=other)
    named = [item for item in scene.items if item.content in (*GLYPHS, *WORDS)]
    (add_pictured if scene.kind in PICTURED else add_words)(facts, scene, named)
    return facts
